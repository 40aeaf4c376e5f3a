//! The refund: a captured payment's money on its way back, all of it or a part.
//! No async, no clock, no SQL.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use svc_kit::{id::AccountId, money::Money};
use uuid::Uuid;

use crate::{
    payment::{NO_ATTEMPT, OrderId, PaymentId},
    provider::FoundRefund,
    reason::Reason,
};

svc_kit::id!(
    /// A refund; also the provider's idempotency key, or its beginning.
    pub struct RefundId
);

svc_kit::id!(
    /// A return of svc-order.
    pub struct ReturnId
);

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// To be asked for, or the provider's answer is not known yet.
    Requested,
    /// The customer has the money back.
    Refunded,
    /// The provider will not; it is asked again when staff say so.
    Refused,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Requested, Self::Refunded, Self::Refused];

    /// As it is stored and logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Refunded => "refunded",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("status '{text}' is unknown"))
    }
}

/// Who or what wants the money back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The order was cancelled.
    OrderCancelled,
    /// Some of the order came back.
    OrderReturned(ReturnId),
    /// Somebody of the staff.
    Staff(StaffRequest),
}

impl Cause {
    /// As it is stored.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::OrderCancelled => "order_cancelled",
            Self::OrderReturned(_) => "order_returned",
            Self::Staff(_) => "staff",
        }
    }

    /// The return, if it is for one.
    pub fn return_id(&self) -> Option<ReturnId> {
        match self {
            Self::OrderReturned(id) => Some(*id),
            Self::OrderCancelled | Self::Staff(_) => None,
        }
    }

    /// The request of staff, if it is one.
    pub fn staff(&self) -> Option<&StaffRequest> {
        match self {
            Self::Staff(request) => Some(request),
            Self::OrderCancelled | Self::OrderReturned(_) => None,
        }
    }
}

/// A refund that staff asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffRequest {
    /// The caller's.
    pub request_id: Uuid,
    /// What they noted.
    pub reason: Reason,
    /// Who asked first.
    pub staff_id: AccountId,
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
    /// Who or what wants it.
    pub cause: Cause,
    /// How much.
    pub amount: Money,
    /// How often the provider was asked about it.
    pub attempts: u32,
    /// When it was requested.
    pub create_time: DateTime<Utc>,
    /// When it last changed.
    pub update_time: DateTime<Utc>,
}

/// When the provider is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// After a pause that grows with the attempts.
    AfterPause,
}

/// What follows from the provider's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// The customer has the money back.
    Finish,
    /// The provider will not, and somebody has to look at it.
    Refuse,
    /// The money went, did not arrive, and is with us again; somebody has to
    /// look at it.
    Reverse,
    /// It is not known yet.
    Ask(Call, When),
    /// It is known already, or somebody else is asking.
    Nothing,
}

impl Refund {
    /// The provider has answered the attempt of this number. Money that went
    /// back is a fact, whatever we believed and whoever asked; everything else
    /// counts only from who asked last.
    pub fn answered(&self, attempt: u32, answer: FoundRefund) -> Next {
        let latest = attempt == self.attempts;
        match (self.status, answer) {
            (Status::Requested | Status::Refused, FoundRefund::Refunded) => Next::Finish,
            (Status::Refunded | Status::Refused, _) => Next::Nothing,
            (Status::Requested, _) if !latest => Next::Nothing,
            (Status::Requested, FoundRefund::NotFound) => Next::Ask(Call::Refund, When::Now),
            (Status::Requested, FoundRefund::Unknown) => Next::Ask(Call::LookUp, When::AfterPause),
            (Status::Requested, FoundRefund::Refused) => Next::Refuse,
        }
    }

    /// Somebody has looked it up who did not claim it, and had read it as `seen`
    /// before. Providers call a refund made before the money has arrived, and may
    /// take that back for weeks. Of a refund that was made, nothing else is news,
    /// and if anything has happened since it was read, it may be old.
    pub fn looked_up(&self, seen: &Self, answer: FoundRefund) -> Next {
        match (seen.status, answer) {
            (Status::Refunded, FoundRefund::Refused) if self == seen => Next::Reverse,
            (Status::Refunded, _) => Next::Nothing,
            (Status::Requested | Status::Refused, _) => self.answered(NO_ATTEMPT, answer),
        }
    }
}

#[cfg(test)]
mod tests;
