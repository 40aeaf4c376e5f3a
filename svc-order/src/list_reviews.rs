//! Orders that a fraud screen doubts, oldest first. For staff.

use std::collections::HashMap;

use svc_kit::error::StoreError;

use crate::{
    app::App,
    error::Error,
    order::{Order, OrderId},
    review::{Review, ReviewState},
    store::{orders, reviews},
};

/// Which page.
#[derive(Debug, Clone, Copy)]
pub struct ListReviews {
    /// Of which state; `None`: of all.
    pub state: Option<ReviewState>,
    /// How many reviews.
    pub page_size: u32,
    /// The order of the last review of the page before.
    pub after: Option<OrderId>,
}

/// A page of reviews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewPage {
    /// Oldest first, each with its order.
    pub reviews: Vec<(Review, Order)>,
    /// Where the next page begins, if there is one.
    pub next: Option<OrderId>,
}

/// Lists reviews.
///
/// # Errors
/// `Unavailable` when the database is away.
#[tracing::instrument(name = "order.list_reviews", skip_all)]
pub async fn list_reviews(app: &App, query: ListReviews) -> Result<ReviewPage, Error> {
    let mut db = app.db.writer().acquire().await.map_err(StoreError::from)?;
    let one_more = query.page_size.saturating_add(1);
    let mut found = reviews::list(&mut db, query.state, query.after, one_more).await?;
    let page_size = query.page_size as usize;
    let next = (found.len() > page_size).then(|| {
        found.truncate(page_size);
        found.last().map(|review| review.order_id)
    });
    let names: Vec<_> = found
        .iter()
        .map(|review| (review.account_id, review.order_id))
        .collect();
    let mut orders: HashMap<OrderId, Order> = orders::find_all(&mut db, &names)
        .await?
        .into_iter()
        .map(|order| (order.id, order))
        .collect();
    Ok(ReviewPage {
        reviews: found
            .into_iter()
            .filter_map(|review| {
                let order = orders.remove(&review.order_id)?;
                Some((review, order))
            })
            .collect(),
        next: next.flatten(),
    })
}
