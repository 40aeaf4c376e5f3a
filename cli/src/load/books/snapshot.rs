//! The books of one moment, when nothing is under way. Plain rows; no rules.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use svc_kit::dead_letter::DeadLetter;
use svc_kit::nats::inspect::{ConsumerState, Stored};
use uuid::Uuid;

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// svc-order's orders.
    pub orders: Vec<Order>,
    /// svc-order's returns.
    pub returns: Vec<Return>,
    /// svc-catalog's stock.
    pub stock: Vec<Stock>,
    /// Pieces that staff added or took, by product.
    pub adjusted: BTreeMap<Uuid, i64>,
    /// svc-catalog's reservations.
    pub reservations: Vec<Reservation>,
    /// What svc-catalog has put on sale again.
    pub restocks: Vec<Restock>,
    /// svc-payment's payments.
    pub payments: Vec<Payment>,
    /// svc-payment's refunds that were given.
    pub refunds: Vec<Refund>,
    /// What the provider has taken.
    pub charges: Vec<Charge>,
    /// What the provider has given back.
    pub given_back: Vec<Refund>,
    /// svc-payment's ledger.
    pub entries: Vec<Entry>,
    /// svc-notify's deliveries.
    pub deliveries: Vec<Delivery>,
    /// The mails that lie in files, by the name of the file.
    pub mails: BTreeSet<String>,
    /// What is still to be announced, and by whom.
    pub outbox: Vec<String>,
    /// What consumers have claimed.
    pub claims: Vec<Claim>,
    /// What the streams hold.
    pub events: Vec<Stored>,
    /// Who hears of it.
    pub consumers: Vec<ConsumerState>,
    /// What was given up.
    pub dead: Vec<DeadLetter>,
}

/// An order.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Order {
    /// Its id.
    pub id: Uuid,
    /// Under which request it was placed.
    pub request_id: Uuid,
    /// Whose it is.
    pub account_id: Uuid,
    /// "confirmed".
    pub status: String,
    /// "USD".
    pub currency: String,
    /// What it costs, in minor units.
    pub total_minor: i64,
    /// All of it went back.
    pub refunded: bool,
    /// What went back, in minor units.
    pub refunded_minor: i64,
    /// What is promised for returns and did not go back yet.
    pub owed_minor: i64,
    /// Pieces by product.
    #[sqlx(skip)]
    pub lines: BTreeMap<Uuid, i64>,
    /// Pieces of them that came back.
    #[sqlx(skip)]
    pub returned: BTreeMap<Uuid, i64>,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// When it was confirmed, if it ever was.
    pub confirmed_at: Option<DateTime<Utc>>,
}

impl Order {
    /// Sold, and not called off.
    pub fn is_sold(&self) -> bool {
        matches!(
            &*self.status,
            "confirmed" | "shipped" | "delivered" | "returned"
        )
    }

    /// Handed to a carrier.
    pub fn is_shipped(&self) -> bool {
        matches!(&*self.status, "shipped" | "delivered" | "returned")
    }

    /// Called off.
    pub fn is_cancelled(&self) -> bool {
        self.status == "cancelled"
    }
}

/// Some of an order that came back.
#[derive(Debug, Clone)]
pub struct Return {
    /// Its id.
    pub id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// Under which request it was recorded.
    pub request_id: Uuid,
    /// What goes back for it, in minor units.
    pub refund_minor: i64,
    /// Pieces by product.
    pub lines: BTreeMap<Uuid, i64>,
    /// Pieces of them that go on sale again.
    pub restocked: BTreeMap<Uuid, i64>,
}

/// What of a return went on sale again.
#[derive(Debug, Clone)]
pub struct Restock {
    /// Which return.
    pub return_id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// Pieces by product.
    pub lines: BTreeMap<Uuid, i64>,
}

/// What there is of a product.
#[derive(Debug, Clone)]
pub struct Stock {
    /// Which.
    pub product_id: Uuid,
    /// Pieces in the house.
    pub on_hand: i64,
    /// Pieces of them that are promised.
    pub reserved: i64,
}

/// What an order was promised.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Which order.
    pub order_id: Uuid,
    /// "committed".
    pub status: String,
    /// Pieces by product.
    pub lines: BTreeMap<Uuid, i64>,
}

/// A payment.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Its id; also the provider's idempotency key.
    pub id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// What was taken, in minor units.
    pub captured_minor: i64,
    /// What was given back.
    pub refunded_minor: i64,
}

/// A charge in the provider's records.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Which payment.
    pub payment_id: Uuid,
    /// "USD".
    pub currency: String,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// What the provider keeps of it.
    pub fee_minor: i64,
    /// The money was taken.
    pub captured: bool,
}

/// Money that was given back.
#[derive(Debug, Clone)]
pub struct Refund {
    /// Its id; also the provider's idempotency key.
    pub id: Uuid,
    /// Of which payment.
    pub payment_id: Uuid,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// For which return; the provider does not know.
    pub return_id: Option<Uuid>,
}

/// A line of the ledger.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Of which transaction.
    pub transaction_id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// "cash_at_provider".
    pub account: String,
    /// "USD".
    pub currency: String,
    /// Debits are positive, credits negative.
    pub amount_minor: i64,
}

/// A message to a customer.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id; also the name of the mail's file.
    pub id: Uuid,
    /// "order_confirmed".
    pub template: String,
    /// About which order.
    pub order_id: Option<Uuid>,
    /// "sent".
    pub status: String,
}

/// A consumer has handled an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Which consumer.
    pub consumer: String,
    /// Which event.
    pub event_id: Uuid,
}
