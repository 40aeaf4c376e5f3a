//! The refunds of all orders, for staff.

use crate::{
    app::App,
    error::Error,
    refund::{Refund, RefundId, Status},
    store::refunds,
};

/// The refunds of a page that names no size.
pub const DEFAULT_PAGE_SIZE: u32 = 20;

/// The most refunds of a page.
pub const MAX_PAGE_SIZE: u32 = 100;

/// Which refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRefunds {
    /// Only those that stand there.
    pub status: Option<Status>,
    /// At most so many.
    pub page_size: u32,
    /// Only those older than this one.
    pub after: Option<RefundId>,
}

/// A page of refunds, newest first, and where the next one begins.
///
/// # Errors
/// When the database does not answer.
pub async fn list_refunds(
    app: &App,
    query: ListRefunds,
) -> Result<(Vec<Refund>, Option<RefundId>), Error> {
    let one_more = query.page_size.saturating_add(1);
    let mut found = refunds::page(app.db.reader(), query.status, query.after, one_more).await?;
    let page_size = query.page_size as usize;
    let more = found.len() > page_size;
    found.truncate(page_size);
    let next = found.last().filter(|_| more).map(|refund| refund.id);
    Ok((found, next))
}
