//! What the load knows by itself: what it put on sale, what it asked for, and
//! how each request ended. Nothing in here was read from the shop's tables.

use std::collections::BTreeMap;
use std::fmt;

use uuid::Uuid;

/// What a load did.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// What it put on sale.
    pub products: Vec<Product>,
    /// What it asked for.
    pub asked: Vec<Asked>,
    /// What it took back, or tried to.
    pub returns: Vec<AskedReturn>,
}

/// A product on sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub title: String,
    /// What a piece costs, in cents.
    pub price_minor: i64,
    /// Pieces at the start.
    pub stock: i64,
    /// The one that many want.
    pub hot: bool,
}

/// One wish to order, under one request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The request id.
    pub request_id: Uuid,
    /// Who asked.
    pub account_id: Uuid,
    /// Of what: pieces by product. Of a cart, what the shop said was in it.
    pub lines: BTreeMap<Uuid, i64>,
    /// By way of the cart.
    pub of_cart: bool,
    /// What was put into the cart before, or may have been: pieces by product.
    pub put_in_cart: BTreeMap<Uuid, i64>,
    /// How it ended.
    pub end: End,
    /// Orders that a repeat was answered with, if they were others.
    pub other_answers: Vec<Uuid>,
    /// Its order was called off, and that was answered.
    pub called_off: bool,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With an order.
    Answered {
        /// Which.
        order_id: Uuid,
        /// "USD".
        currency: String,
        /// What it costs, in minor units.
        total_minor: i64,
        /// What is in it: pieces by product.
        lines: BTreeMap<Uuid, i64>,
    },
    /// With a definite no; no try was left without an answer.
    Refused {
        /// Stable upper-snake: "CART_EMPTY".
        reason: String,
    },
    /// Without an answer: there may be an order, or not.
    Unknown {
        /// What was heard last.
        last: String,
    },
}

/// One return, under one request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedReturn {
    /// The request id.
    pub request_id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// Pieces by product.
    pub pieces: BTreeMap<Uuid, i64>,
    /// They go on sale again.
    pub restocked: bool,
    /// What it was answered with, a repeat included; none: nobody knows.
    pub answers: Vec<ReturnAnswer>,
}

/// What a return was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnAnswer {
    /// Which return it is.
    pub return_id: Uuid,
    /// What goes back for it, in minor units.
    pub refund_minor: i64,
}

impl End {
    /// The order, when there was an answer.
    pub fn order_id(&self) -> Option<Uuid> {
        match self {
            Self::Answered { order_id, .. } => Some(*order_id),
            Self::Refused { .. } | Self::Unknown { .. } => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { order_id, .. } => write!(f, "answered with order {order_id}"),
            Self::Refused { reason } => write!(f, "refused: {reason}"),
            Self::Unknown { last } => write!(f, "unknown: {last}"),
        }
    }
}
