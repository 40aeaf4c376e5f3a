//! What was sent to the caller, newest first.

use svc_kit::caller::Caller;

use crate::{
    app::App,
    delivery::{Delivery, DeliveryId},
    error::Error,
    store::deliveries,
};

/// The most deliveries on a page.
pub const MAX_PAGE: u32 = 100;

/// The deliveries on a page when nobody says how many.
pub const DEFAULT_PAGE: u32 = 20;

/// Some deliveries, and where the next ones begin.
#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub deliveries: Vec<Delivery>,
    /// The last one of this page, if there are more.
    pub next: Option<DeliveryId>,
}

/// Reads a page of the caller's deliveries, from before a delivery on.
///
/// # Errors
/// When the database does not answer.
pub async fn list_deliveries(
    app: &App,
    caller: &Caller,
    before: Option<DeliveryId>,
    size: u32,
) -> Result<Page, Error> {
    // One more than asked for tells whether there is a next page.
    let limit = size.saturating_add(1);
    let mut deliveries =
        deliveries::page(app.db.reader(), caller.account_id, before, limit).await?;
    let more = deliveries.len() > size as usize;
    deliveries.truncate(size as usize);
    let next = deliveries
        .last()
        .filter(|_| more)
        .map(|delivery| delivery.id);
    Ok(Page { deliveries, next })
}
