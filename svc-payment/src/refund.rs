//! The refund: a captured payment's money on its way back, all of it. No async,
//! no clock, no SQL.

use std::str::FromStr;

use svc_kit::money::Money;

use crate::{
    payment::{OrderId, PaymentId},
    provider::FoundRefund,
};

svc_kit::id!(
    /// A refund; also the provider's idempotency key.
    pub struct RefundId
);

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// To be asked for, or the provider's answer is not known yet.
    Requested,
    /// The customer has the money back.
    Refunded,
}

impl Status {
    /// As it is stored and logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Refunded => "refunded",
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "requested" => Ok(Self::Requested),
            "refunded" => Ok(Self::Refunded),
            _ => Err(format!("status '{text}' is unknown")),
        }
    }
}

/// What the provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To give the money back.
    Refund,
    /// Whether it has.
    LookUp,
}

impl Call {
    /// As it is stored and logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::LookUp => "look_up",
        }
    }
}

/// A captured payment's money on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its own id.
    pub id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// Of which order.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: Status,
    /// How much: what was captured.
    pub amount: Money,
    /// How often the provider was asked about it.
    pub attempts: u32,
}

/// When the provider is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// After a pause that grows with the attempts.
    AfterPause,
    /// After a long pause: somebody has to look at it.
    AfterRefusal,
}

/// What follows from the provider's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// The customer has the money back.
    Finish,
    /// It is not known yet, or was refused.
    Ask(Call, When),
    /// It is known already, or somebody else is asking.
    Nothing,
}

impl Refund {
    /// The provider has answered the attempt of this number.
    pub fn answered(&self, attempt: u32, answer: FoundRefund) -> Next {
        let latest = attempt == self.attempts;
        match (self.status, answer) {
            (Status::Refunded, _) => Next::Nothing,
            (Status::Requested, FoundRefund::Refunded) => Next::Finish,
            (Status::Requested, _) if !latest => Next::Nothing,
            (Status::Requested, FoundRefund::NotFound) => Next::Ask(Call::Refund, When::Now),
            (Status::Requested, FoundRefund::Unknown) => Next::Ask(Call::LookUp, When::AfterPause),
            (Status::Requested, FoundRefund::Refused) => {
                Next::Ask(Call::LookUp, When::AfterRefusal)
            }
        }
    }
}
