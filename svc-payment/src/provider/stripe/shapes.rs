//! What Stripe's objects look like, as far as we read them. Whatever else they
//! carry, persons' names among it, is dropped while it is parsed.

use std::collections::HashMap;

use chrono::DateTime;
use serde::Deserialize;
use svc_kit::money::Money;

use super::{
    super::{Charged, Decline, FoundCharge, Receipt, Record, RecordKind, RecordState, Refunded},
    amount::from_stripe,
};
use crate::{payment::PaymentId, refund::RefundId};

/// Where our ids stand in the metadata, and the fields that put them there.
const PAYMENT_ID: &str = "payment_id";
const REFUND_ID: &str = "refund_id";
const REFUND_RETRY: &str = "refund_retry";
pub(super) const PAYMENT_ID_FIELD: &str = "metadata[payment_id]";
pub(super) const ORDER_ID_FIELD: &str = "metadata[order_id]";
pub(super) const REFUND_ID_FIELD: &str = "metadata[refund_id]";
pub(super) const REFUND_RETRY_FIELD: &str = "metadata[refund_retry]";

/// What finds a payment's intents by Stripe's search.
pub(super) fn search_for(payment_id: PaymentId) -> String {
    format!("metadata['{PAYMENT_ID}']:'{payment_id}'")
}

/// One of a list.
pub(super) trait Listed: serde::de::DeserializeOwned {
    /// Stripe's id.
    fn id(&self) -> &str;
}

/// A part of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: bool,
}

/// A charge in Stripe's terms.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    #[serde(default)]
    created: i64,
    status: String,
    amount: i64,
    /// How much was taken of it.
    #[serde(default)]
    amount_received: i64,
    currency: String,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    last_payment_error: Option<LastError>,
}

#[derive(Debug, Deserialize)]
struct LastError {
    code: Option<String>,
    decline_code: Option<String>,
}

impl Listed for Intent {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What we have written onto an object of Stripe's.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata(HashMap<String, String>);

impl Metadata {
    /// The payment that it is.
    pub(super) fn payment_id(&self) -> Option<PaymentId> {
        self.0.get(PAYMENT_ID)?.parse().ok()
    }

    /// The refund that it is.
    pub(super) fn refund_id(&self) -> Option<RefundId> {
        self.0.get(REFUND_ID)?.parse().ok()
    }

    /// Which try of its refund it is; the first says none.
    fn refund_retry(&self) -> Option<u32> {
        self.0.get(REFUND_RETRY)?.parse().ok()
    }
}

impl Intent {
    /// Whether it is this payment's.
    pub(super) fn is_of(&self, payment_id: PaymentId) -> bool {
        self.metadata.as_ref().and_then(Metadata::payment_id) == Some(payment_id)
    }

    /// Whether it is over this amount.
    pub(super) fn is_over(&self, amount: Money) -> bool {
        from_stripe(&self.currency, self.amount) == Some(amount)
    }

    /// Where it stands, as an intent over this amount. Another amount that was
    /// taken or is held is not what was asked for: then nothing is known. What
    /// Stripe keeps of the money stands with its charge, which is not asked for.
    pub(super) fn outcome(&self, amount: Money) -> FoundCharge {
        match self.status.as_str() {
            "succeeded" if self.has_received(amount) => FoundCharge::Captured(Receipt {
                fee: Money::zero(amount.currency),
            }),
            "requires_capture" if self.is_over(amount) => FoundCharge::Authorized,
            status @ ("succeeded" | "requires_capture") => {
                let Self {
                    id,
                    amount: over,
                    amount_received: received,
                    currency,
                    ..
                } = self;
                tracing::error!(
                    intent = id, status, over, received, currency, %amount,
                    "stripe has another amount than was asked for"
                );
                FoundCharge::Unknown
            }
            "processing" | "requires_action" | "requires_confirmation" => FoundCharge::Pending,
            "requires_payment_method" => FoundCharge::Declined(self.decline()),
            "canceled" => FoundCharge::Voided,
            other => {
                tracing::error!(status = other, "stripe has a status that is not known");
                FoundCharge::Unknown
            }
        }
    }

    fn has_received(&self, amount: Money) -> bool {
        from_stripe(&self.currency, self.amount_received) == Some(amount)
    }

    /// Where it stands, as the answer to a charge.
    pub(super) fn charged(&self, amount: Money) -> Charged {
        match self.outcome(amount) {
            FoundCharge::Captured(receipt) => Charged::Captured(receipt),
            FoundCharge::Authorized => Charged::Authorized,
            FoundCharge::Pending => Charged::Pending,
            FoundCharge::Declined(decline) => Charged::Declined(decline),
            // A repeat of the key may tell of one that was called off since.
            FoundCharge::Voided | FoundCharge::NotFound | FoundCharge::Unknown => Charged::Unknown,
        }
    }

    /// As it is compared with ours, over what was taken if anything was; none of
    /// an amount that cannot be ours.
    pub(super) fn record(&self) -> Option<Record> {
        let (state, amount) = match self.status.as_str() {
            "succeeded" => (RecordState::Succeeded, self.amount_received),
            "requires_payment_method" | "canceled" => (RecordState::Failed, self.amount),
            _ => (RecordState::Pending, self.amount),
        };
        Some(Record {
            kind: RecordKind::Charge,
            id: self
                .metadata
                .as_ref()
                .and_then(Metadata::payment_id)
                .map(|id| id.0),
            reference: self.id.clone(),
            amount: from_stripe(&self.currency, amount)?,
            state,
            time: DateTime::from_timestamp(self.created, 0)?,
        })
    }

    fn decline(&self) -> Decline {
        let error = self.last_payment_error.as_ref();
        Decline::of_stripe(
            error.and_then(|error| error.code.as_deref()),
            error.and_then(|error| error.decline_code.as_deref()),
        )
    }
}

/// A refund in Stripe's terms.
#[derive(Debug, Deserialize)]
pub(super) struct RefundObject {
    id: String,
    #[serde(default)]
    created: i64,
    status: Option<String>,
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    currency: String,
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl Listed for RefundObject {
    fn id(&self) -> &str {
        &self.id
    }
}

impl RefundObject {
    /// Whether it says what became of this refund of ours at this try. Money that
    /// went back or is on its way says it whichever try it was; that an earlier
    /// try has failed says nothing.
    pub(super) fn tells_of(&self, refund_id: RefundId, retry: u32) -> bool {
        let Some(metadata) = &self.metadata else {
            return false;
        };
        metadata.refund_id() == Some(refund_id)
            && (self.refunded() != Refunded::Refused
                || metadata.refund_retry().unwrap_or_default() == retry)
    }

    /// Where it stands. One that is on its way is not known to arrive.
    pub(super) fn refunded(&self) -> Refunded {
        match self.status.as_deref() {
            Some("succeeded") => Refunded::Refunded,
            Some("failed" | "canceled") => Refunded::Refused,
            _ => Refunded::Unknown,
        }
    }

    /// As it is compared with ours; none of an amount that cannot be ours.
    pub(super) fn record(&self) -> Option<Record> {
        Some(Record {
            kind: RecordKind::Refund,
            id: self
                .metadata
                .as_ref()
                .and_then(Metadata::refund_id)
                .map(|id| id.0),
            reference: self.id.clone(),
            amount: from_stripe(&self.currency, self.amount)?,
            state: match self.refunded() {
                Refunded::Refunded => RecordState::Succeeded,
                Refunded::Refused => RecordState::Failed,
                Refunded::Unknown => RecordState::Pending,
            },
            time: DateTime::from_timestamp(self.created, 0)?,
        })
    }
}

/// The body of an answer that is an error.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorAnswer {
    pub(super) error: Refusal,
}

/// Why Stripe refuses. Its message is for people and not read.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) code: Option<String>,
    decline_code: Option<String>,
    /// What was made of a charge before it was declined.
    #[serde(rename = "payment_intent")]
    pub(super) intent: Option<Intent>,
    /// By its HTTP status, a card was asked.
    #[serde(skip)]
    pub(super) payment_required: bool,
}

impl Refusal {
    /// Whether the card was asked and said no.
    pub(super) fn is_decline(&self) -> bool {
        self.payment_required || self.kind == "card_error"
    }

    /// What it means for the payment. A request that was refused as it stands
    /// was refused for its token: all else in it is ours.
    pub(super) fn decline(&self) -> Decline {
        if self.is_decline() {
            Decline::of_stripe(self.code.as_deref(), self.decline_code.as_deref())
        } else {
            Decline::TokenInvalid
        }
    }
}

#[cfg(test)]
mod tests;
