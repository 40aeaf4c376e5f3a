//! The one table of subjects, streams and payload types.
//!
//! A service that owns an aggregate publishes to that aggregate's stream.
//! Nothing else in the project spells a subject.

use crate::souk::event::v1 as payload;

/// Something that happened, as it travels.
pub trait Event: prost::Message + Default + Send + Sync + 'static {
    /// Where it is published: "souk.order.placed.v1".
    const SUBJECT: &'static str;
    /// The payload's full name: "souk.event.v1.OrderPlaced".
    const TYPE: &'static str;

    /// The id of the order, product or account it is about.
    fn aggregate_id(&self) -> &str;
}

/// A JetStream stream and the subjects that it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// The stream's name.
    pub name: &'static str,
    /// Its one subject filter.
    pub subjects: &'static str,
}

/// What failed for good, with the reason, waiting for a replay. The subject of
/// the failed event follows the prefix.
pub const DEAD_LETTER_PREFIX: &str = "souk.dead.";

/// All streams.
pub const STREAMS: &[Stream] = &[
    Stream {
        name: "SOUK_ORDER",
        subjects: "souk.order.>",
    },
    Stream {
        name: "SOUK_STOCK",
        subjects: "souk.stock.>",
    },
    Stream {
        name: "SOUK_PAYMENT",
        subjects: "souk.payment.>",
    },
    Stream {
        name: "SOUK_CATALOG",
        subjects: "souk.catalog.>",
    },
    Stream {
        name: "SOUK_IDENTITY",
        subjects: "souk.identity.>",
    },
    Stream {
        name: "SOUK_EDGE",
        subjects: "souk.edge.>",
    },
    DEAD_LETTERS,
];

/// The dead-letter stream.
pub const DEAD_LETTERS: Stream = Stream {
    name: "SOUK_DEAD",
    subjects: "souk.dead.>",
};

/// The stream that keeps a subject.
pub fn stream_of(subject: &str) -> Option<Stream> {
    STREAMS
        .iter()
        .copied()
        .find(|stream| subject.starts_with(stream.subjects.trim_end_matches('>')))
}

macro_rules! events {
    ($($subject:literal => $payload:ident by $aggregate:ident;)*) => {
        /// All subjects with the full names of their payloads.
        pub const EVENTS: &[(&str, &str)] = &[
            $(($subject, concat!("souk.event.v1.", stringify!($payload))),)*
        ];

        $(impl Event for payload::$payload {
            const SUBJECT: &'static str = $subject;
            const TYPE: &'static str = concat!("souk.event.v1.", stringify!($payload));

            fn aggregate_id(&self) -> &str {
                &self.$aggregate
            }
        })*
    };
}

events! {
    "souk.order.placed.v1" => OrderPlaced by order_id;
    "souk.order.confirmed.v1" => OrderConfirmed by order_id;
    "souk.order.cancelled.v1" => OrderCancelled by order_id;
    "souk.order.shipped.v1" => OrderShipped by order_id;
    "souk.order.returned.v1" => OrderReturned by order_id;
    "souk.stock.reserved.v1" => StockReserved by order_id;
    "souk.stock.rejected.v1" => StockRejected by order_id;
    "souk.stock.overdue.v1" => ReservationOverdue by order_id;
    "souk.payment.requested.v1" => PaymentRequested by order_id;
    "souk.payment.captured.v1" => PaymentCaptured by order_id;
    "souk.payment.failed.v1" => PaymentFailed by order_id;
    "souk.payment.refunded.v1" => PaymentRefunded by order_id;
    "souk.catalog.product_changed.v1" => ProductChanged by product_id;
    "souk.identity.account_registered.v1" => AccountRegistered by account_id;
    "souk.identity.session_revoked.v1" => SessionRevoked by session_id;
    "souk.identity.signing_key_changed.v1" => SigningKeyChanged by key_id;
    "souk.edge.purge_requested.v1" => PurgeRequested by purge_id;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_kept_by_a_stream() {
        for (subject, payload) in EVENTS {
            assert!(
                stream_of(subject).is_some(),
                "{subject} ({payload}) is kept by no stream"
            );
        }
    }
}
