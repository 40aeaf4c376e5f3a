//! The notice: what somebody is told, before it is put into words. No async, no
//! clock, no SQL.

use serde::{Deserialize, Serialize};
use svc_kit::money::{Money, MoneyError};
use uuid::Uuid;

use crate::delivery::Template;

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// The account is ready.
    Welcome {
        /// Which account.
        account_id: Uuid,
    },
    /// Reserved and paid.
    OrderConfirmed {
        /// Which order.
        order_id: Uuid,
        /// How many pieces.
        items: i64,
        /// What they cost together.
        total: Total,
    },
    /// Called off.
    OrderCancelled {
        /// Which order.
        order_id: Uuid,
        /// What it would have cost.
        total: Total,
        /// Stable upper-snake: "PAYMENT_DECLINED".
        reason: String,
        /// It had been confirmed, so it had been paid.
        was_confirmed: bool,
    },
    /// Handed to a carrier.
    OrderShipped {
        /// Which order.
        order_id: Uuid,
        /// The carrier's name.
        carrier: String,
        /// The carrier's name for the parcel; may be empty.
        tracking_code: String,
    },
    /// Some of it came back.
    OrderReturned {
        /// Of which order.
        order_id: Uuid,
        /// Which return.
        return_id: Uuid,
        /// What goes back to the customer.
        refund: Option<Total>,
    },
}

/// An amount as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// "EUR".
    pub currency: String,
    /// In the currency's minor unit.
    pub minor: i64,
}

impl From<Money> for Total {
    fn from(money: Money) -> Self {
        Self {
            currency: money.currency.code().to_owned(),
            minor: money.minor,
        }
    }
}

impl TryFrom<&Total> for Money {
    type Error = MoneyError;

    fn try_from(total: &Total) -> Result<Self, MoneyError> {
        Ok(Self::new(total.currency.parse()?, total.minor))
    }
}

impl Notice {
    /// The template that puts it into words.
    pub fn template(&self) -> Template {
        match self {
            Self::Welcome { .. } => Template::Welcome,
            Self::OrderConfirmed { .. } => Template::OrderConfirmed,
            Self::OrderCancelled { .. } => Template::OrderCancelled,
            Self::OrderShipped { .. } => Template::OrderShipped,
            Self::OrderReturned { .. } => Template::OrderReturned,
        }
    }

    /// The order that it is about.
    pub fn order_id(&self) -> Option<Uuid> {
        match self {
            Self::Welcome { .. } => None,
            Self::OrderConfirmed { order_id, .. }
            | Self::OrderCancelled { order_id, .. }
            | Self::OrderShipped { order_id, .. }
            | Self::OrderReturned { order_id, .. } => Some(*order_id),
        }
    }

    /// What happened and to what. It happens once, however often it is
    /// announced.
    pub fn event_key(&self) -> String {
        let (Self::Welcome { account_id: about }
        | Self::OrderConfirmed {
            order_id: about, ..
        }
        | Self::OrderCancelled {
            order_id: about, ..
        }
        | Self::OrderShipped {
            order_id: about, ..
        }
        | Self::OrderReturned {
            return_id: about, ..
        }) = self;
        event_key(self.template(), *about)
    }
}

/// The key of what a template tells about an order, a return or an account.
pub fn event_key(template: Template, about: Uuid) -> String {
    format!("{}/{about}", template.as_str())
}
