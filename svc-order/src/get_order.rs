//! One of the caller's orders.

use svc_kit::{caller::Caller, error::StoreError, id::AccountId};

use crate::{
    app::App,
    error::Error,
    order::{Order, OrderId},
    store::orders,
};

/// Finds an order. Another customer's order is as unknown as one that never
/// was.
///
/// # Errors
/// `NotFound`.
#[tracing::instrument(name = "order.get_order", skip_all, fields(order_id = %id))]
pub async fn get_order(app: &App, caller: &Caller, id: OrderId) -> Result<Order, Error> {
    find(app, caller.account_id, id).await
}

/// Finds an account's order, as it is at this moment.
pub(crate) async fn find(app: &App, account: AccountId, id: OrderId) -> Result<Order, Error> {
    let mut db = app.db.writer().acquire().await.map_err(StoreError::from)?;
    orders::find(&mut db, account, id)
        .await?
        .ok_or(Error::OrderUnknown)
}
