//! The caller's orders, newest first.

use svc_kit::{caller::Caller, error::StoreError};

use crate::{
    app::App,
    error::Error,
    order::{Order, OrderId},
    store::orders,
};

/// Orders of a page when the caller does not say.
pub const DEFAULT_PAGE_SIZE: u32 = 20;

/// The most orders of a page.
pub const MAX_PAGE_SIZE: u32 = 100;

/// Which page.
#[derive(Debug, Clone, Copy)]
pub struct ListOrders {
    /// How many orders.
    pub page_size: u32,
    /// The last order of the page before.
    pub after: Option<OrderId>,
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub orders: Vec<Order>,
    /// Where the next page begins, if there is one.
    pub next: Option<OrderId>,
}

/// Lists orders. A customer who just placed one finds it, so this reads what
/// was just written.
///
/// # Errors
/// `Unavailable` when the database is away.
#[tracing::instrument(name = "order.list_orders", skip_all)]
pub async fn list_orders(app: &App, caller: &Caller, query: ListOrders) -> Result<Page, Error> {
    let mut db = app.db.writer().acquire().await.map_err(StoreError::from)?;
    let one_more = query.page_size.saturating_add(1);
    let mut orders = orders::list(&mut db, caller.account_id, query.after, one_more).await?;
    let page_size = query.page_size as usize;
    let next = (orders.len() > page_size).then(|| {
        orders.truncate(page_size);
        orders.last().map(|order| order.id)
    });
    Ok(Page {
        orders,
        next: next.flatten(),
    })
}
