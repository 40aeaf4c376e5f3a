//! What became of orders, column by column.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::row;
use crate::order::{CancelReason, Order, PaymentToken};

/// The columns of `orders` that change.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) accounts: Vec<Uuid>,
    pub(super) ids: Vec<Uuid>,
    pub(super) statuses: Vec<&'a str>,
    pub(super) tokens: Vec<Option<&'a str>>,
    pub(super) payments: Vec<Option<Uuid>>,
    pub(super) paid: Vec<bool>,
    pub(super) refunded: Vec<bool>,
    pub(super) cancel_reasons: Vec<Option<&'a str>>,
    pub(super) carriers: Vec<Option<&'a str>>,
    pub(super) tracking_codes: Vec<Option<&'a str>>,
    pub(super) announcements: Vec<i32>,
    pub(super) checks: Vec<DateTime<Utc>>,
    pub(super) versions: Vec<i64>,
    pub(super) times: Vec<DateTime<Utc>>,
    pub(super) refunded_minor: Vec<i64>,
    pub(super) owed_minor: Vec<i64>,
}

impl<'a> Columns<'a> {
    /// Of these orders.
    pub(super) fn of(orders: &[&'a Order]) -> Self {
        let mut columns = Self::default();
        for order in orders {
            let shipment = order.shipment.as_ref();
            columns.accounts.push(order.account_id.0);
            columns.ids.push(order.id.0);
            columns.statuses.push(order.status.as_str());
            columns
                .tokens
                .push(order.payment_token.as_ref().map(PaymentToken::expose));
            columns.payments.push(order.payment_id.map(|id| id.0));
            columns.paid.push(order.paid);
            columns.refunded.push(order.refunded);
            columns
                .cancel_reasons
                .push(order.cancel_reason.as_ref().map(CancelReason::as_str));
            columns
                .carriers
                .push(shipment.map(|shipment| shipment.carrier.as_str()));
            columns
                .tracking_codes
                .push(shipment.map(|shipment| shipment.tracking_code.as_str()));
            columns.announcements.push(row::announcements(order));
            columns.checks.push(order.next_check_at);
            columns.versions.push(order.version);
            columns.times.push(order.updated_at);
            columns.refunded_minor.push(order.refunded_total.minor);
            columns.owed_minor.push(order.owed.minor);
        }
        columns
    }
}
