//! Who takes the money. A provider is asked outside of any transaction, with
//! our id as its idempotency key, and may answer that it does not know.

pub mod sandbox;

use std::{str::FromStr, sync::LazyLock, time::Duration};

use async_trait::async_trait;
use prometheus::IntCounterVec;
use svc_kit::{metrics, money::Money};

use crate::{
    payment::{PaymentId, PaymentToken},
    refund::RefundId,
};

/// How long one call to the provider may take; after that its outcome is
/// unknown.
pub const DEADLINE: Duration = Duration::from_secs(10);

static CALLS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "payment_provider_calls_total",
        "Calls to the payment provider, by call and answer.",
        &["call", "answer"],
    )
});

/// Counts an answer.
pub(crate) fn count(call: &str, answer: &str) {
    CALLS.with_label_values(&[call, answer]).inc();
}

/// Why a provider will not take the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decline {
    /// Whoever issued the card said no.
    Declined,
    /// The token stands for no means of payment.
    TokenInvalid,
}

impl Decline {
    /// Stable upper-snake, for events and callers.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Declined => "PAYMENT_DECLINED",
            Self::TokenInvalid => "PAYMENT_TOKEN_INVALID",
        }
    }
}

impl FromStr for Decline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Declined, Self::TokenInvalid]
            .into_iter()
            .find(|decline| decline.reason() == text)
            .ok_or_else(|| format!("decline '{text}' is unknown"))
    }
}

/// The answer to a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// The money was taken, now or earlier under the same key.
    Captured,
    /// The money will not be taken.
    Declined(Decline),
    /// Nobody knows.
    Unknown,
}

/// What is known of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundCharge {
    /// The money was taken.
    Captured,
    /// The money will not be taken.
    Declined(Decline),
    /// The provider has never heard of it.
    NotFound,
    /// Nobody knows.
    Unknown,
}

impl From<Charged> for FoundCharge {
    fn from(charged: Charged) -> Self {
        match charged {
            Charged::Captured => Self::Captured,
            Charged::Declined(decline) => Self::Declined(decline),
            Charged::Unknown => Self::Unknown,
        }
    }
}

impl FoundCharge {
    /// As it is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Declined(_) => "declined",
            Self::NotFound => "not_found",
            Self::Unknown => "unknown",
        }
    }
}

/// The answer to a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refunded {
    /// The money was given back, now or earlier under the same key.
    Refunded,
    /// The provider will not: it knows no such charge, or all of it went back.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// What is known of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundRefund {
    /// The money was given back.
    Refunded,
    /// The provider will not.
    Refused,
    /// The provider has never heard of it.
    NotFound,
    /// Nobody knows.
    Unknown,
}

impl From<Refunded> for FoundRefund {
    fn from(refunded: Refunded) -> Self {
        match refunded {
            Refunded::Refunded => Self::Refunded,
            Refunded::Refused => Self::Refused,
            Refunded::Unknown => Self::Unknown,
        }
    }
}

impl FoundRefund {
    /// As it is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refunded => "refunded",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::Unknown => "unknown",
        }
    }
}

/// A payment provider. Faults of any kind are `Unknown`, and logged by the
/// provider without personal data.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Takes the money, once for each payment id.
    async fn charge(&self, payment_id: PaymentId, amount: Money, token: &PaymentToken) -> Charged;

    /// Says what became of a charge.
    async fn look_up(&self, payment_id: PaymentId) -> FoundCharge;

    /// Gives money of a charge back, once for each refund id.
    async fn refund(&self, refund_id: RefundId, payment_id: PaymentId, amount: Money) -> Refunded;

    /// Says what became of a refund.
    async fn look_up_refund(&self, refund_id: RefundId) -> FoundRefund;
}
