//! What staff did to orders: who, what, when, to which order, and why. Records
//! are added in the transaction of the deed, and never changed.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use svc_kit::{caller::Caller, clock::Clock, error::Invalid, id::AccountId};

use crate::{
    address,
    order::{Order, OrderId},
};

svc_kit::id!(
    /// A record.
    pub struct AuditId
);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Some of the order was taken back.
    OrderReturned,
    /// An order in review may be shipped.
    ReviewApproved,
    /// An order in review was called off.
    ReviewRejected,
    /// A checkout was announced again.
    CheckoutRetried,
    /// A checkout was called off.
    CheckoutCompensated,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::OrderReturned,
        Self::ReviewApproved,
        Self::ReviewRejected,
        Self::CheckoutRetried,
        Self::CheckoutCompensated,
    ];

    /// As it is stored and answered.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderReturned => "ORDER_RETURNED",
            Self::ReviewApproved => "REVIEW_APPROVED",
            Self::ReviewRejected => "REVIEW_REJECTED",
            Self::CheckoutRetried => "CHECKOUT_RETRIED",
            Self::CheckoutCompensated => "CHECKOUT_COMPENSATED",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| format!("action '{text}' is unknown"))
    }
}

/// The most characters of a reason.
pub const MAX_REASON_CHARS: usize = 500;

/// A reason that staff gave, without the blanks around it.
///
/// # Errors
/// [`Invalid`] when it is empty or too long.
pub fn reason(field: &str, text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    address::text(field, text, 1, MAX_REASON_CHARS)?;
    Ok(text.to_owned())
}

/// Something that staff did to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its name; later ones sort after earlier ones.
    pub id: AuditId,
    /// Whose order it was.
    pub account_id: AccountId,
    /// Which order.
    pub order_id: OrderId,
    /// What was done.
    pub action: Action,
    /// Who did it.
    pub actor_id: AccountId,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl AuditRecord {
    /// The record of what a caller does to an order now.
    pub fn new(action: Action, order: &Order, by: &Caller, reason: &str, clock: &Clock) -> Self {
        Self {
            id: AuditId::generate(clock),
            account_id: order.account_id,
            order_id: order.id,
            action,
            actor_id: by.account_id,
            reason: reason.to_owned(),
            created_at: clock.now(),
        }
    }
}
