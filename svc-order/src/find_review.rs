//! The review of an order, if a fraud screen doubts it. For staff.

use svc_kit::error::StoreError;

use crate::{app::App, error::Error, order::Order, review::Review, store::reviews};

/// Finds the review of an order.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn find_review(app: &App, order: &Order) -> Result<Option<Review>, Error> {
    let mut db = app.db.writer().acquire().await.map_err(StoreError::from)?;
    Ok(reviews::find(&mut db, order.account_id, order.id).await?)
}
