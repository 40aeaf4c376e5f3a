//! Checkouts that have not come to an end in time, oldest first. For staff.

use std::time::Duration;

use chrono::{DateTime, Utc};
use svc_kit::{error::StoreError, id::AccountId};

use crate::{
    app::App,
    error::Error,
    order::{OrderId, Status},
    store::orders,
};

/// Which page.
#[derive(Debug, Clone, Copy)]
pub struct ListStuckCheckouts {
    /// How old they are at least.
    pub min_age: Duration,
    /// How many checkouts.
    pub page_size: u32,
    /// The last order of the page before.
    pub after: Option<OrderId>,
}

/// A checkout that has not come to an end. It is listed also when its order
/// cannot be read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckCheckout {
    /// Of which order.
    pub order_id: OrderId,
    /// Whose order it is.
    pub account_id: AccountId,
    /// Pending waits for stock, reserved for money.
    pub status: Status,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// How long ago that is.
    pub age: Duration,
    /// How often the present step was announced again.
    pub announcements: i32,
    /// When the reconciler looks at it next.
    pub next_check_at: DateTime<Utc>,
    /// Why the reconciler could not resume it when it last tried.
    pub last_error: Option<String>,
}

/// A page of checkouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckPage {
    /// Oldest first.
    pub checkouts: Vec<StuckCheckout>,
    /// Where the next page begins, if there is one.
    pub next: Option<OrderId>,
}

/// Lists checkouts.
///
/// # Errors
/// `Unavailable` when the database is away.
#[tracing::instrument(name = "order.list_stuck_checkouts", skip_all)]
pub async fn list_stuck_checkouts(
    app: &App,
    query: ListStuckCheckouts,
) -> Result<StuckPage, Error> {
    let mut db = app.db.writer().acquire().await.map_err(StoreError::from)?;
    let one_more = query.page_size.saturating_add(1);
    let now = app.clock.now();
    let mut checkouts = orders::stuck(&mut db, now, query.min_age, query.after, one_more).await?;
    let page_size = query.page_size as usize;
    let next = (checkouts.len() > page_size).then(|| {
        checkouts.truncate(page_size);
        checkouts.last().map(|checkout| checkout.order_id)
    });
    Ok(StuckPage {
        checkouts,
        next: next.flatten(),
    })
}
