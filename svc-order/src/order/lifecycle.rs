//! What an order may become, and by what. Outcomes are types: "too late" is an
//! outcome, and money that cannot be used must go back.
//!
//! ```text
//! pending ─reserved▶ reserved ─captured▶ confirmed ─▶ shipped ─▶ delivered
//!    └───────────────────┴──────────────────┴──▶ cancelled ─▶ refunded
//! ```
//!
//! Money may go back, in parts, from `confirmed` on; what comes back of the
//! goods is told in [`super::returns`].

use chrono::{DateTime, Utc};
use svc_kit::money::Money;

use super::{CancelReason, Order, PaymentId, Shipment, Status, returns::ReturnId};
use crate::checkout::CheckoutRules;

/// The stock was reserved.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// From now on reserved; the payment is to be requested.
    RequestPayment,
    /// It was known.
    Already,
    /// The order is cancelled; svc-catalog gives the stock back by itself.
    TooLate,
}

/// The order is called off, by whatever came in.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledOff {
    /// From now on cancelled; that is to be announced.
    Cancelled,
    /// It was cancelled before.
    Already,
    /// It cannot be: paid and beyond, or about another payment.
    Impossible,
}

/// The money was taken.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Captured {
    /// From now on confirmed; that is to be announced.
    Confirmed,
    /// It was known.
    Already,
    /// The order cannot use this money.
    MustRefund(Unusable),
}

/// Why money cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// The order is cancelled. svc-payment refunds what it captures for a
    /// cancelled order, so this needs nobody's care.
    Cancelled,
    /// It was not asked for, or not by this name.
    NotRequested,
    /// It is not what the order costs.
    WrongAmount,
}

/// Money was given back.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refunded {
    /// So much more has gone back.
    Noted,
    /// Word of the capture is still on its way.
    TooEarly,
    /// It is other money, or more than was left.
    Unexpected,
}

/// The order goes to a carrier.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shipped {
    /// From now on shipped; that is to be announced.
    Shipped,
    /// It was, in this very way.
    Already,
    /// It was, in another way.
    Otherwise,
    /// It is not confirmed.
    NotConfirmed,
}

/// The order arrived.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// From now on delivered.
    Delivered,
    /// It was known.
    Already,
    /// It is not shipped.
    NotShipped,
}

/// What the reconciler does with an order.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Nothing yet.
    NotYet,
    /// Announce the present step again; who heard it before ignores it.
    AnnounceAgain,
    /// From now on cancelled; that is to be announced.
    TimedOut,
}

/// A payment, as far as an order cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// Its name.
    pub id: PaymentId,
    /// How much of what.
    pub amount: Money,
}

/// Money that was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refund {
    /// Of which payment, and how much of it.
    pub payment: Payment,
    /// The return that it is for; `None` for a cancelled order, or given by
    /// staff.
    pub return_id: Option<ReturnId>,
}

impl Order {
    /// The checkout has not come to an end.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.status, Status::Pending | Status::Reserved)
    }

    /// Nothing more is on its way. A return may still follow.
    pub fn is_final(&self) -> bool {
        match self.status {
            Status::Delivered => true,
            Status::Cancelled => self.refunded || !self.paid,
            Status::Pending | Status::Reserved | Status::Confirmed | Status::Shipped => false,
        }
    }

    /// Applies that the stock is reserved. The payment's name is made by the
    /// caller and used only if this is news.
    pub fn reserved(
        &mut self,
        payment_id: PaymentId,
        rules: &CheckoutRules,
        now: DateTime<Utc>,
    ) -> Reserved {
        match self.status {
            Status::Pending => {
                self.payment_id = Some(payment_id);
                self.announcements = 0;
                self.next_check_at = rules.next_check(self.created_at, now, 0);
                self.change_to(Status::Reserved, now);
                Reserved::RequestPayment
            }
            Status::Reserved | Status::Confirmed | Status::Shipped | Status::Delivered => {
                Reserved::Already
            }
            Status::Cancelled => Reserved::TooLate,
        }
    }

    /// Applies that the stock cannot be had. If it was reserved before, the
    /// reservation is void: what is not reserved is not sold.
    pub fn rejected(&mut self, reason: CancelReason, now: DateTime<Utc>) -> CalledOff {
        match self.status {
            Status::Pending | Status::Reserved => self.call_off(reason, now),
            Status::Cancelled => CalledOff::Already,
            Status::Confirmed | Status::Shipped | Status::Delivered => CalledOff::Impossible,
        }
    }

    /// Applies a captured payment. Money that the order cannot use must go
    /// back, so "too late" is an outcome here, not an error.
    pub fn captured(&mut self, payment: &Payment, now: DateTime<Utc>) -> Captured {
        if self.status == Status::Cancelled {
            if self.payment_id == Some(payment.id) && !self.paid {
                self.paid = true;
                self.touch(now);
            }
            return Captured::MustRefund(Unusable::Cancelled);
        }
        if self.payment_id != Some(payment.id) {
            return Captured::MustRefund(Unusable::NotRequested);
        }
        if payment.amount != self.total {
            return Captured::MustRefund(Unusable::WrongAmount);
        }
        match self.status {
            Status::Reserved => {
                self.paid = true;
                self.payment_token = None;
                self.change_to(Status::Confirmed, now);
                Captured::Confirmed
            }
            Status::Confirmed | Status::Shipped | Status::Delivered => Captured::Already,
            Status::Pending | Status::Cancelled => Captured::MustRefund(Unusable::NotRequested),
        }
    }

    /// Applies that the money cannot be had.
    pub fn payment_failed(
        &mut self,
        payment_id: PaymentId,
        reason: CancelReason,
        now: DateTime<Utc>,
    ) -> CalledOff {
        match self.status {
            Status::Cancelled => CalledOff::Already,
            Status::Reserved if self.payment_id == Some(payment_id) => self.call_off(reason, now),
            _ => CalledOff::Impossible,
        }
    }

    /// Applies that money was given back: all of it or a part, for a return,
    /// because the order is cancelled, or by the will of staff. The caller
    /// sees to it that each refund is applied once. For a cancelled order,
    /// word of it may come before word of the capture.
    pub fn refunded(&mut self, refund: &Refund, now: DateTime<Utc>) -> Refunded {
        let amount = refund.payment.amount;
        let total = self.total.minor;
        if self.payment_id != Some(refund.payment.id)
            || amount.currency != self.total.currency
            || amount.minor <= 0
            || amount.minor > total - self.refunded_total.minor
        {
            return Refunded::Unexpected;
        }
        match self.status {
            Status::Pending | Status::Reserved => return Refunded::TooEarly,
            Status::Cancelled => self.paid = true,
            Status::Confirmed | Status::Shipped | Status::Delivered => {}
        }
        self.refunded_total.minor += amount.minor;
        if refund.return_id.is_some() {
            self.owed.minor = (self.owed.minor - amount.minor).max(0);
        }
        // What staff gave back besides may have been promised for a return.
        self.owed.minor = self.owed.minor.min(total - self.refunded_total.minor);
        self.refunded = self.refunded_total == self.total;
        self.touch(now);
        Refunded::Noted
    }

    /// Calls the order off for its customer.
    pub fn cancelled_by_customer(&mut self, now: DateTime<Utc>) -> CalledOff {
        self.cancelled_before_shipping(CancelReason::customer(), now)
    }

    /// Calls the order off by the will of staff.
    pub fn cancelled_by_staff(&mut self, reason: CancelReason, now: DateTime<Utc>) -> CalledOff {
        self.cancelled_before_shipping(reason, now)
    }

    fn cancelled_before_shipping(&mut self, reason: CancelReason, now: DateTime<Utc>) -> CalledOff {
        match self.status {
            Status::Pending | Status::Reserved | Status::Confirmed => self.call_off(reason, now),
            Status::Cancelled => CalledOff::Already,
            Status::Shipped | Status::Delivered => CalledOff::Impossible,
        }
    }

    /// Hands the order to a carrier.
    pub fn shipped(&mut self, shipment: Shipment, now: DateTime<Utc>) -> Shipped {
        match self.status {
            Status::Confirmed => {
                self.shipment = Some(shipment);
                self.change_to(Status::Shipped, now);
                Shipped::Shipped
            }
            Status::Shipped | Status::Delivered if self.shipment.as_ref() == Some(&shipment) => {
                Shipped::Already
            }
            Status::Shipped | Status::Delivered => Shipped::Otherwise,
            Status::Pending | Status::Reserved | Status::Cancelled => Shipped::NotConfirmed,
        }
    }

    /// Records that the order arrived.
    pub fn delivered(&mut self, now: DateTime<Utc>) -> Delivered {
        match self.status {
            Status::Shipped => {
                self.change_to(Status::Delivered, now);
                Delivered::Delivered
            }
            Status::Delivered => Delivered::Already,
            Status::Pending | Status::Reserved | Status::Confirmed | Status::Cancelled => {
                Delivered::NotShipped
            }
        }
    }

    /// Looks whether the order got stuck. A reserved order is called off even
    /// though its payment may be in flight: a late capture is refunded.
    pub fn overdue(&mut self, rules: &CheckoutRules, now: DateTime<Utc>) -> Overdue {
        if !self.is_unfinished() || now < self.next_check_at {
            return Overdue::NotYet;
        }
        if now >= rules.deadline(self.created_at) {
            let _ = self.call_off(CancelReason::timeout(), now);
            return Overdue::TimedOut;
        }
        self.announced_again(rules, now);
        Overdue::AnnounceAgain
    }

    /// Notes that the present step of an unfinished order is announced again.
    pub fn announced_again(&mut self, rules: &CheckoutRules, now: DateTime<Utc>) {
        self.announcements = self.announcements.saturating_add(1);
        self.next_check_at = rules.next_check(self.created_at, now, self.announcements);
    }

    fn call_off(&mut self, reason: CancelReason, now: DateTime<Utc>) -> CalledOff {
        self.cancel_reason = Some(reason);
        self.payment_token = None;
        self.change_to(Status::Cancelled, now);
        CalledOff::Cancelled
    }

    fn change_to(&mut self, status: Status, now: DateTime<Utc>) {
        self.status = status;
        self.touch(now);
    }

    pub(super) fn touch(&mut self, now: DateTime<Utc>) {
        self.version += 1;
        self.updated_at = now;
    }
}
