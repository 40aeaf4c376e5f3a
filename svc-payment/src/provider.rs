//! Who takes the money. A provider is asked outside of any transaction, with
//! our id as its idempotency key, and may answer that it does not know. What may
//! have reached one provider is never asked of another.

mod providers;
mod records;
pub mod sandbox;
pub mod stripe;

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use svc_kit::money::Money;

pub use providers::{Answer, BREAKER_PAUSE, BREAKER_TRIPS_AFTER, Providers, Watched};
pub use records::{
    Cursor, ProviderAway, RECORDS_PER_PAGE, Record, RecordKind, RecordPage, RecordState,
};

use crate::{
    payment::{PaymentId, PaymentToken},
    refund::RefundId,
};

/// How long one call to the provider may take; after that its outcome is
/// unknown.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The providers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum ProviderName {
    /// Takes no money; answers by the token alone.
    Sandbox,
    /// stripe.com.
    Stripe,
}

impl ProviderName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sandbox, Self::Stripe];

    /// As it is stored, logged and measured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Stripe => "stripe",
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProviderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| format!("provider '{text}' is unknown"))
    }
}

/// Why a provider will not take the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decline {
    /// Whoever issued the card said no.
    Declined,
    /// The token stands for no means of payment.
    TokenInvalid,
    /// There is not enough on the account behind it.
    FundsInsufficient,
    /// The card is too old.
    CardExpired,
    /// Its holder would have to be asked.
    AuthenticationRequired,
    /// The provider cannot take exactly this amount; it was not asked.
    AmountUnsupported,
}

impl Decline {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Declined,
        Self::TokenInvalid,
        Self::FundsInsufficient,
        Self::CardExpired,
        Self::AuthenticationRequired,
        Self::AmountUnsupported,
    ];

    /// Stable upper-snake, for events and callers.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Declined => "PAYMENT_DECLINED",
            Self::TokenInvalid => "PAYMENT_TOKEN_INVALID",
            Self::FundsInsufficient => "PAYMENT_FUNDS_INSUFFICIENT",
            Self::CardExpired => "PAYMENT_CARD_EXPIRED",
            Self::AuthenticationRequired => "PAYMENT_AUTHENTICATION_REQUIRED",
            Self::AmountUnsupported => "PAYMENT_AMOUNT_UNSUPPORTED",
        }
    }
}

impl FromStr for Decline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|decline| decline.reason() == text)
            .ok_or_else(|| format!("decline '{text}' is unknown"))
    }
}

/// What a provider says of a charge that it has captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// What it keeps of the money; nothing, where it does not say.
    pub fee: Money,
}

/// The answer to a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// The money was taken, now or earlier under the same key.
    Captured(Receipt),
    /// The money is held for us, and must be captured or let go.
    Authorized,
    /// The provider has not decided yet.
    Pending,
    /// The money will not be taken.
    Declined(Decline),
    /// Nobody knows.
    Unknown,
}

/// What is known of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundCharge {
    /// The money was taken.
    Captured(Receipt),
    /// The money is held for us, and must be captured or let go.
    Authorized,
    /// The provider has not decided yet.
    Pending,
    /// The charge was called off for good; no money is held.
    Voided,
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
            Charged::Captured(receipt) => Self::Captured(receipt),
            Charged::Authorized => Self::Authorized,
            Charged::Pending => Self::Pending,
            Charged::Declined(decline) => Self::Declined(decline),
            Charged::Unknown => Self::Unknown,
        }
    }
}

impl FoundCharge {
    /// As it is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Captured(_) => "captured",
            Self::Authorized => "authorized",
            Self::Pending => "pending",
            Self::Voided => "voided",
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
    /// Its name, under which payments remember it.
    fn name(&self) -> ProviderName;

    /// Takes the money or has it held for us, once for each payment id.
    async fn charge(&self, payment_id: PaymentId, amount: Money, token: &PaymentToken) -> Charged;

    /// Says what became of a charge.
    async fn look_up(&self, payment_id: PaymentId) -> FoundCharge;

    /// Takes the money that is held for us. A provider that never holds any says
    /// what it knows.
    async fn capture(&self, payment_id: PaymentId, _amount: Money) -> FoundCharge {
        self.look_up(payment_id).await
    }

    /// Lets go of money that is held for us, and of a charge that is not decided.
    /// A provider that never has either says what it knows.
    async fn void(&self, payment_id: PaymentId) -> FoundCharge {
        self.look_up(payment_id).await
    }

    /// Gives money of a charge back, once for each refund id.
    async fn refund(&self, refund_id: RefundId, payment_id: PaymentId, amount: Money) -> Refunded;

    /// Says what became of a refund.
    async fn look_up_refund(&self, refund_id: RefundId) -> FoundRefund;

    /// What the provider has on record for a span of time, each once, a page at
    /// a time, in an order that stays while it is read.
    async fn list(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> Result<RecordPage, ProviderAway>;
}
