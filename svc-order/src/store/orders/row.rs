//! Rows as they lie in the tables, and how they become orders.

use chrono::{DateTime, Utc};
use svc_kit::{
    error::StoreError,
    id::AccountId,
    money::{Currency, Money},
};
use uuid::Uuid;

use crate::{
    cart::CartId,
    order::{
        CancelReason, Fingerprint, Line, Order, OrderId, PaymentId, PaymentToken, RequestKey,
        Shipment,
    },
    product::ProductId,
};

/// The `cart_version` of an order whose cart has no other order. An earlier
/// release wrote a version of the cart, which kept its id when it was ordered:
/// such an order says nothing of what is in that cart now.
pub(super) const ORDERED_ONCE: i64 = 0;

/// A row of `orders`.
pub(super) struct Row {
    pub(super) account_id: Uuid,
    pub(super) id: Uuid,
    pub(super) request_id: Uuid,
    pub(super) request_fingerprint: Vec<u8>,
    pub(super) cart_id: Option<Uuid>,
    pub(super) cart_version: Option<i64>,
    pub(super) status: String,
    pub(super) currency: String,
    pub(super) total_minor: i64,
    pub(super) payment_token: Option<String>,
    pub(super) payment_id: Option<Uuid>,
    pub(super) paid: bool,
    pub(super) refunded: bool,
    pub(super) refunded_minor: i64,
    pub(super) owed_minor: i64,
    pub(super) shipping_address: serde_json::Value,
    pub(super) cancel_reason: Option<String>,
    pub(super) carrier: Option<String>,
    pub(super) tracking_code: Option<String>,
    pub(super) announcements: i32,
    pub(super) next_check_at: DateTime<Utc>,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// A row of `order_lines`.
pub(super) struct LineRow {
    pub(super) order_id: Uuid,
    pub(super) product_id: Uuid,
    pub(super) title: String,
    pub(super) quantity: i32,
    pub(super) unit_price_minor: i64,
    pub(super) returned_quantity: i32,
}

/// A row of `orders` that makes no sense.
pub(super) fn corrupt(why: String) -> StoreError {
    StoreError::Corrupt {
        table: "orders",
        why,
    }
}

/// As the column holds them.
pub(super) fn announcements(order: &Order) -> i32 {
    i32::try_from(order.announcements).unwrap_or(i32::MAX)
}

impl Row {
    /// The order, when the row makes sense.
    pub(super) fn into_order(self, lines: Vec<LineRow>) -> Result<Order, StoreError> {
        let nonsense = |what: &str| corrupt(format!("{what} of {}", self.id));
        let currency: Currency = self.currency.parse().map_err(|_| nonsense("currency"))?;
        let fingerprint = self
            .request_fingerprint
            .try_into()
            .map_err(|_| nonsense("request_fingerprint"))?;
        let lines: Vec<Line> = lines
            .into_iter()
            .map(|line| Line {
                product_id: ProductId(line.product_id),
                title: line.title,
                quantity: line.quantity,
                unit_price: Money::new(currency, line.unit_price_minor),
                returned: line.returned_quantity,
            })
            .collect();
        if lines.is_empty() {
            return Err(nonsense("lines"));
        }
        Ok(Order {
            id: OrderId(self.id),
            account_id: AccountId(self.account_id),
            request: RequestKey {
                id: self.request_id,
                fingerprint: Fingerprint(fingerprint),
            },
            cart: self
                .cart_id
                .filter(|_| self.cart_version == Some(ORDERED_ONCE))
                .map(CartId),
            lines,
            total: Money::new(currency, self.total_minor),
            shipping_address: serde_json::from_value(self.shipping_address)
                .map_err(|_| nonsense("shipping_address"))?,
            created_at: self.created_at,
            status: self.status.parse().map_err(corrupt)?,
            payment_token: self.payment_token.map(PaymentToken::stored),
            payment_id: self.payment_id.map(PaymentId),
            paid: self.paid,
            refunded: self.refunded,
            refunded_total: Money::new(currency, self.refunded_minor),
            owed: Money::new(currency, self.owed_minor),
            cancel_reason: self.cancel_reason.map(CancelReason::stored),
            shipment: self.carrier.map(|carrier| Shipment {
                carrier,
                tracking_code: self.tracking_code.unwrap_or_default(),
            }),
            announcements: u32::try_from(self.announcements)
                .map_err(|_| nonsense("announcements"))?,
            next_check_at: self.next_check_at,
            version: self.version,
            updated_at: self.updated_at,
        })
    }
}
