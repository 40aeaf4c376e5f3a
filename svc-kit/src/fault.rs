//! Faults on purpose, for tests: a process can be told to crash at a [`Point`],
//! to forget what it has handled, or to hear of it again.
//!
//! Only builds with the feature `faults` listen; in all others every function
//! here is empty, and the variables mean nothing. The variables:
//!
//! | variable | what it does |
//! | --- | --- |
//! | `SOUK_FAULT_CRASH_AT` | aborts at the passage of a point: `outbox.after_read`, or `consumer.before_commit/order-stock-reserved:3` for the third passage |
//! | `SOUK_FAULT_ONCE` | the file that is made right before that; where it is there, the point is passed |
//! | `SOUK_FAULT_TRACE` | the file that the known points (`has NAME`) and all passages (`passed NAME`) are written to, a line each |
//! | `SOUK_FAULT_PATIENCE_MS` | the longest that somebody who may have died is waited for |
//! | `SOUK_FAULT_SKIP_INBOX` | `1`: every event counts as new |
//! | `SOUK_FAULT_REDELIVER` | every so many messages, one that was handled is not acknowledged but asked for again |

#[cfg(feature = "faults")]
mod armed;

#[cfg(feature = "faults")]
pub(crate) use armed::{arm, redelivers, skips_inbox};
#[cfg(feature = "faults")]
pub use armed::{passed, passed_by, patience};

macro_rules! points {
    ($($(#[doc = $doc:literal])+ $point:ident = $name:literal,)+) => {
        /// A place where a process can be made to crash. This is the only list
        /// of them: the tests walk it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[doc = $doc])+ $point,)+
        }

        impl Point {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// As the variables have it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// The relay has read rows.
    OutboxAfterRead = "outbox.after_read",
    /// The relay is about to publish a row.
    OutboxBeforePublish = "outbox.before_publish",
    /// JetStream has acknowledged rows, which are still there.
    OutboxAfterPublish = "outbox.after_publish",
    /// The relay has deleted them.
    OutboxAfterDelete = "outbox.after_delete",
    /// A consumer has a message, and no transaction yet. Named with the
    /// consumer, as are the next three.
    ConsumerBeforeTransaction = "consumer.before_transaction",
    /// Its handler is done.
    ConsumerBeforeCommit = "consumer.before_commit",
    /// What it did is committed, and the message not acknowledged.
    ConsumerAfterCommit = "consumer.after_commit",
    /// The acknowledgement is on its way; a crash may or may not lose it.
    ConsumerAfterAck = "consumer.after_ack",
    /// An order is written, and not committed.
    PlaceOrderBeforeCommit = "place_order.before_commit",
    /// An order is committed, and nobody has the answer.
    PlaceOrderAfterCommit = "place_order.after_commit",
    /// The attempt to charge is recorded; the provider knows nothing.
    ChargeBeforeProvider = "charge.before_provider",
    /// The provider has answered; the answer is not recorded.
    ChargeAfterProvider = "charge.after_provider",
    /// The outcome of the charge is recorded.
    ChargeAfterConclude = "charge.after_conclude",
    /// The attempt to refund is recorded; the provider knows nothing.
    RefundBeforeProvider = "refund.before_provider",
    /// The provider has answered; the answer is not recorded.
    RefundAfterProvider = "refund.after_provider",
    /// The outcome of the refund is recorded.
    RefundAfterConclude = "refund.after_conclude",
    /// A mail is claimed and not sent.
    MailBeforeSend = "mail.before_send",
    /// A mail is sent; that is not recorded.
    MailAfterSend = "mail.after_send",
}

#[cfg(not(feature = "faults"))]
mod unarmed {
    use std::time::Duration;

    use super::Point;

    /// The process passes a point.
    #[inline]
    pub const fn passed(_: Point) {}

    /// Somebody of this name passes a point.
    #[inline]
    pub const fn passed_by(_: Point, _: &str) {}

    /// How long somebody who may have died is waited for.
    #[inline]
    pub const fn patience(usual: Duration) -> Duration {
        usual
    }

    #[inline]
    pub(crate) const fn skips_inbox() -> bool {
        false
    }

    #[inline]
    pub(crate) const fn redelivers() -> bool {
        false
    }
}

#[cfg(not(feature = "faults"))]
pub use unarmed::{passed, passed_by, patience};
#[cfg(not(feature = "faults"))]
pub(crate) use unarmed::{redelivers, skips_inbox};
