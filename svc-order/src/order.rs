//! The order: what was bought, for how much, and where it stands. No async,
//! no clock, no SQL; what an order may become is told in [`lifecycle`].

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use svc_kit::{error::Invalid, id::AccountId, money::Money};
use uuid::Uuid;

use crate::{
    address::{self, Address},
    cart::CartId,
    product::ProductId,
};

mod announcements;
pub mod lifecycle;
pub mod placement;
#[cfg(test)]
mod properties;
pub mod returns;

svc_kit::id!(
    /// An order.
    pub struct OrderId
);

svc_kit::id!(
    /// The one payment of an order; also the provider's idempotency key.
    pub struct PaymentId
);

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Placed; nothing is reserved.
    Pending,
    /// The stock is reserved and the payment is requested.
    Reserved,
    /// Reserved and paid.
    Confirmed,
    /// Handed to a carrier.
    Shipped,
    /// Arrived.
    Delivered,
    /// Called off.
    Cancelled,
}

impl Status {
    /// All of them, in the order of a good life.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Reserved,
        Self::Confirmed,
        Self::Shipped,
        Self::Delivered,
        Self::Cancelled,
    ];

    /// As it is stored and logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

/// Why an order was called off, stable upper-snake: "PAYMENT_DECLINED".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelReason(String);

/// The longest reason, in bytes.
const MAX_REASON_LEN: usize = 64;

/// Whether a text is a reason as programs give them: upper-snake, and short.
pub(crate) fn is_reason(text: &str) -> bool {
    let upper_snake = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    !text.is_empty() && text.len() <= MAX_REASON_LEN && text.bytes().all(upper_snake)
}

impl CancelReason {
    /// The customer called it off.
    pub fn customer() -> Self {
        Self("CUSTOMER_CANCELLED".to_owned())
    }

    /// It took too long.
    pub fn timeout() -> Self {
        Self("CHECKOUT_TIMEOUT".to_owned())
    }

    /// Staff did not trust it.
    pub fn review_rejected() -> Self {
        Self("REVIEW_REJECTED".to_owned())
    }

    /// Staff gave up a checkout that got stuck.
    pub fn compensated() -> Self {
        Self("CHECKOUT_COMPENSATED".to_owned())
    }

    /// Its stock was reserved for too long.
    pub fn reservation_expired() -> Self {
        Self("RESERVATION_EXPIRED".to_owned())
    }

    /// A reason that a neighbour gave, or `otherwise` when that is none.
    pub fn given(reason: &str, otherwise: &'static str) -> Self {
        Self(if is_reason(reason) { reason } else { otherwise }.to_owned())
    }

    /// A reason that was stored.
    pub fn stored(reason: String) -> Self {
        Self(reason)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The payment provider's token for the customer's means of payment. It never
/// shows itself in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken(String);

/// The most characters of a payment token.
pub const MAX_PAYMENT_TOKEN_CHARS: usize = 200;

impl PaymentToken {
    /// A token of a request.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty or too long.
    pub fn parse(field: &str, token: String) -> Result<Self, Invalid> {
        address::text(field, &token, 1, MAX_PAYMENT_TOKEN_CHARS)?;
        Ok(Self(token))
    }

    /// A token that was stored.
    pub fn stored(token: String) -> Self {
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

/// SHA-256 over a request without its id: whether a repeat asks for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// The caller's own name for a request, and what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey {
    /// Made by the caller, unique in the account.
    pub id: Uuid,
    /// What was asked for.
    pub fingerprint: Fingerprint,
}

/// One product of an order, as it was when the order was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Of what.
    pub product_id: ProductId,
    /// What it was called.
    pub title: String,
    /// How many.
    pub quantity: i32,
    /// What one cost.
    pub unit_price: Money,
    /// How many of them came back.
    pub returned: i32,
}

/// What a customer has bought. Everything above `status` stays as it was
/// placed; the rest, and what came back, is changed by
/// [`lifecycle`] and [`returns`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: OrderId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The request that placed it.
    pub request: RequestKey,
    /// The cart that was ordered; `None` for an order of items.
    pub cart: Option<CartId>,
    /// What was bought; never empty.
    pub lines: Vec<Line>,
    /// What it costs; more than nothing.
    pub total: Money,
    /// Where it goes.
    pub shipping_address: Address,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// Where it stands.
    pub status: Status,
    /// Forgotten as soon as no payment will be requested any more.
    pub payment_token: Option<PaymentToken>,
    /// Known once the stock is reserved.
    pub payment_id: Option<PaymentId>,
    /// Money was taken for it, be it too late.
    pub paid: bool,
    /// All of the money was given back.
    pub refunded: bool,
    /// How much of it was given back.
    pub refunded_total: Money,
    /// How much is promised for returns and was not given back yet.
    pub owed: Money,
    /// Known when it is cancelled.
    pub cancel_reason: Option<CancelReason>,
    /// Known when it is shipped.
    pub shipment: Option<Shipment>,
    /// How often the present step was announced again.
    pub announcements: u32,
    /// When the reconciler looks at it next, while it is unfinished.
    pub next_check_at: DateTime<Utc>,
    /// Grows with each change of what a customer sees.
    pub version: i64,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// Who carries an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// The carrier's name.
    pub carrier: String,
    /// The carrier's name for the parcel; may be empty.
    pub tracking_code: String,
}

/// The most characters of a carrier or a tracking code.
pub const MAX_SHIPMENT_CHARS: usize = 100;

impl Shipment {
    /// A shipment that staff typed in.
    ///
    /// # Errors
    /// [`Invalid`] without a carrier, or when a field is too long.
    pub fn parse(carrier: &str, tracking_code: &str) -> Result<Self, Invalid> {
        let (carrier, tracking_code) = (carrier.trim(), tracking_code.trim());
        address::text("carrier", carrier, 1, MAX_SHIPMENT_CHARS)?;
        address::text("tracking_code", tracking_code, 0, MAX_SHIPMENT_CHARS)?;
        Ok(Self {
            carrier: carrier.to_owned(),
            tracking_code: tracking_code.to_owned(),
        })
    }
}
