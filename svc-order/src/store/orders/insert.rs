//! New orders and their lines, column by column.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use svc_kit::error::StoreError;
use uuid::Uuid;

use super::row::{self, ORDERED_ONCE};
use crate::order::{Order, PaymentToken};

/// The columns of `orders`.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) accounts: Vec<Uuid>,
    pub(super) ids: Vec<Uuid>,
    pub(super) requests: Vec<Uuid>,
    pub(super) fingerprints: Vec<&'a [u8]>,
    pub(super) statuses: Vec<&'a str>,
    pub(super) currencies: Vec<&'a str>,
    pub(super) totals: Vec<i64>,
    pub(super) tokens: Vec<Option<&'a str>>,
    pub(super) addresses: Vec<Value>,
    pub(super) checks: Vec<DateTime<Utc>>,
    pub(super) versions: Vec<i64>,
    pub(super) times: Vec<DateTime<Utc>>,
    pub(super) carts: Vec<Option<Uuid>>,
    pub(super) cart_versions: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    /// Of these orders.
    pub(super) fn of(orders: &'a [Arc<Order>]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for order in orders {
            let address = serde_json::to_value(&order.shipping_address)
                .map_err(|error| row::corrupt(format!("shipping_address: {error}")))?;
            let token = order.payment_token.as_ref().map(PaymentToken::expose);
            columns.accounts.push(order.account_id.0);
            columns.ids.push(order.id.0);
            columns.requests.push(order.request.id);
            columns.fingerprints.push(&order.request.fingerprint.0);
            columns.statuses.push(order.status.as_str());
            columns.currencies.push(order.total.currency.code());
            columns.totals.push(order.total.minor);
            columns.tokens.push(token);
            columns.addresses.push(address);
            columns.checks.push(order.next_check_at);
            columns.versions.push(order.version);
            columns.times.push(order.created_at);
            columns.carts.push(order.cart.map(|cart| cart.0));
            columns.cart_versions.push(order.cart.map(|_| ORDERED_ONCE));
        }
        Ok(columns)
    }
}

/// The columns of `order_lines`.
#[derive(Default)]
pub(super) struct LineColumns<'a> {
    pub(super) orders: Vec<Uuid>,
    pub(super) positions: Vec<i32>,
    pub(super) products: Vec<Uuid>,
    pub(super) titles: Vec<&'a str>,
    pub(super) quantities: Vec<i32>,
    pub(super) prices: Vec<i64>,
}

impl<'a> LineColumns<'a> {
    /// Of these orders.
    pub(super) fn of(orders: &'a [Arc<Order>]) -> Self {
        let mut columns = Self::default();
        for order in orders {
            for (position, line) in (0_i32..).zip(&order.lines) {
                columns.orders.push(order.id.0);
                columns.positions.push(position);
                columns.products.push(line.product_id.0);
                columns.titles.push(&line.title);
                columns.quantities.push(line.quantity);
                columns.prices.push(line.unit_price.minor);
            }
        }
        columns
    }
}
