//! The payment: one charge for one order, and what may become of it. No async,
//! no clock, no SQL.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use svc_kit::{
    id::AccountId,
    money::{Money, MoneyError},
};

use crate::provider::{Decline, FoundCharge, Receipt};

svc_kit::id!(
    /// An order of svc-order.
    pub struct OrderId
);

svc_kit::id!(
    /// A payment; also the provider's idempotency key.
    pub struct PaymentId
);

/// A charge that the provider does not know of this long after it was last
/// sent will not turn up any more. Longer than a call may take, with what the
/// network may add.
pub const SETTLED_AFTER: Duration = Duration::from_mins(1);

/// Attempts are numbered from one: an answer of this number is nobody's who has
/// claimed the payment.
pub const NO_ATTEMPT: u32 = 0;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// To be charged, or the provider's answer is not known yet.
    Requested,
    /// The provider has the money.
    Captured,
    /// The provider will not take the money.
    Failed,
    /// Never charged: the order was cancelled first.
    Cancelled,
    /// The customer has some of the money back.
    PartiallyRefunded,
    /// The customer has all of the money back.
    Refunded,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::Captured,
        Self::Failed,
        Self::Cancelled,
        Self::PartiallyRefunded,
        Self::Refunded,
    ];

    /// As it is stored and logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Captured => "captured",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
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

/// What the provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To take the money.
    Charge,
    /// Whether it has taken it.
    LookUp,
    /// To take the money that it holds for us.
    Capture,
    /// To let go of it.
    Void,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Charge, Self::LookUp, Self::Capture, Self::Void];

    /// As it is stored and logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::LookUp => "look_up",
            Self::Capture => "capture",
            Self::Void => "void",
        }
    }
}

impl FromStr for Call {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|call| call.as_str() == text)
            .ok_or_else(|| format!("call '{text}' is unknown"))
    }
}

/// The provider's token for the customer's means of payment. It never shows
/// itself in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken(String);

impl PaymentToken {
    /// A token as it came or was stored.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// The text itself. Whoever calls this must not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One charge for one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its own id.
    pub id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// Who pays.
    pub account_id: AccountId,
    /// Where it stands.
    pub status: Status,
    /// How much.
    pub amount: Money,
    /// How much of it went back.
    pub refunded: Money,
    /// How much of it all its refunds ask for, whatever became of them.
    pub refund_requested: Money,
    /// Why it failed, stable upper-snake: "PAYMENT_DECLINED".
    pub failure_reason: Option<String>,
    /// How often the provider was asked about it.
    pub attempts: u32,
    /// When it was last asked to take the money.
    pub last_charge_time: Option<DateTime<Utc>>,
    /// When it was requested.
    pub create_time: DateTime<Utc>,
}

/// What a cancelled order means for its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Cancelled {
    /// It was never sent to the provider, and never will be.
    BeforeCharge,
    /// It may be at the provider; what comes of it decides.
    InFlight,
    /// The money must go back, as far as it is not on its way.
    MustRefund,
    /// There is nothing to undo.
    Nothing,
}

/// Whether some of a payment may go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum MayRefund {
    /// It may.
    Yes,
    /// It is not known yet whether the money will come.
    NotYet,
    /// No more than this is left of it.
    AtMost(Money),
}

/// When the provider is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// Not before.
    At(DateTime<Utc>),
    /// After a pause that grows with the attempts.
    AfterPause,
}

/// What follows from the provider's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// The money is ours; if `refund`, nobody wants it any more and it must go
    /// back.
    Capture {
        /// What the provider says of it.
        receipt: Receipt,
        /// Whether it must go back.
        refund: bool,
    },
    /// The money will not come.
    Fail(Decline),
    /// The order was cancelled and the charge never happened.
    Cancel,
    /// It is not known yet.
    Ask(Call, When),
    /// It is known already, or somebody else is asking.
    Nothing,
}

impl Payment {
    /// Whether both are the same request, whatever became of it.
    pub fn is_same_request(&self, other: &Self) -> bool {
        (self.id, self.order_id, self.account_id, self.amount)
            == (other.id, other.order_id, other.account_id, other.amount)
    }

    /// The order was cancelled.
    pub fn cancelled(&self) -> Cancelled {
        match self.status {
            Status::Requested if self.attempts == 0 => Cancelled::BeforeCharge,
            Status::Requested => Cancelled::InFlight,
            _ if self.refundable().minor > 0 => Cancelled::MustRefund,
            _ => Cancelled::Nothing,
        }
    }

    /// How much was captured and is not asked back yet.
    pub fn refundable(&self) -> Money {
        let minor = match self.status {
            Status::Captured | Status::PartiallyRefunded | Status::Refunded => {
                self.amount.minor - self.refund_requested.minor
            }
            Status::Requested | Status::Failed | Status::Cancelled => 0,
        };
        Money::new(self.amount.currency, minor)
    }

    /// Somebody wants so much of it back.
    pub fn may_refund(&self, amount: Money) -> MayRefund {
        let left = self.refundable();
        if self.status == Status::Requested {
            MayRefund::NotYet
        } else if amount.currency == left.currency && (1..=left.minor).contains(&amount.minor) {
            MayRefund::Yes
        } else {
            MayRefund::AtMost(left)
        }
    }

    /// So much of it went back.
    ///
    /// # Errors
    /// When it is of another currency.
    pub fn gave_back(&mut self, amount: Money) -> Result<(), MoneyError> {
        self.refunded = self.refunded.checked_add(amount)?;
        self.status = if self.refunded == self.amount {
            Status::Refunded
        } else {
            Status::PartiallyRefunded
        };
        Ok(())
    }

    /// So much of what went back did not arrive, and is with us again.
    ///
    /// # Errors
    /// When it is of another currency.
    pub fn got_again(&mut self, amount: Money) -> Result<(), MoneyError> {
        self.refunded = self.refunded.checked_sub(amount)?;
        self.status = if self.refunded.minor == 0 {
            Status::Captured
        } else {
            Status::PartiallyRefunded
        };
        Ok(())
    }

    /// The provider has answered the attempt of this number. Money that was
    /// taken is a fact, whatever we believed and whoever asked; everything else
    /// counts only from who asked last.
    pub fn answered(
        &self,
        attempt: u32,
        answer: FoundCharge,
        order_cancelled: bool,
        now: DateTime<Utc>,
    ) -> Next {
        match (self.status, answer) {
            (Status::Requested, FoundCharge::Captured(receipt)) => Next::Capture {
                receipt,
                refund: order_cancelled,
            },
            (Status::Failed | Status::Cancelled, FoundCharge::Captured(receipt)) => Next::Capture {
                receipt,
                refund: true,
            },
            (Status::Requested, FoundCharge::Declined(decline)) => Next::Fail(decline),
            (Status::Requested, FoundCharge::Voided) if order_cancelled => Next::Cancel,
            // It was let go without us: held for too long, or by hand.
            (Status::Requested, FoundCharge::Voided) => Next::Fail(Decline::Declined),
            (Status::Requested, _) if attempt == self.attempts => {
                self.undecided(answer, order_cancelled, now)
            }
            _ => Next::Nothing,
        }
    }

    /// What is not decided goes on: the money that is held is taken, or let go if
    /// nobody wants it any more.
    fn undecided(&self, answer: FoundCharge, order_cancelled: bool, now: DateTime<Utc>) -> Next {
        match answer {
            FoundCharge::Authorized if order_cancelled => Next::Ask(Call::Void, When::Now),
            FoundCharge::Authorized => Next::Ask(Call::Capture, When::Now),
            FoundCharge::Pending if order_cancelled => Next::Ask(Call::Void, When::AfterPause),
            FoundCharge::NotFound => self.not_found(order_cancelled, now),
            _ => Next::Ask(Call::LookUp, When::AfterPause),
        }
    }

    /// The provider does not know of the charge: it is made again, unless
    /// nobody wants it any more. Then it is given up once it can no longer turn
    /// up.
    fn not_found(&self, order_cancelled: bool, now: DateTime<Utc>) -> Next {
        let settled = self.last_charge_time.map(|charged| charged + SETTLED_AFTER);
        match settled {
            _ if !order_cancelled => Next::Ask(Call::Charge, When::Now),
            Some(settled) if now < settled => Next::Ask(Call::LookUp, When::At(settled)),
            _ => Next::Cancel,
        }
    }
}

#[cfg(test)]
mod tests;
