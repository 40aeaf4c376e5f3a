//! What does not agree with the providers, for staff.

use crate::{
    app::App,
    error::Error,
    reconciliation::{Discrepancy, DiscrepancyId},
    store::discrepancies::{self, Filter},
};

/// The discrepancies of a page that names no size.
pub const DEFAULT_PAGE_SIZE: u32 = 50;

/// The most discrepancies of a page.
pub const MAX_PAGE_SIZE: u32 = 500;

/// A page of discrepancies, newest first, and where the next one begins.
///
/// # Errors
/// When the database does not answer.
pub async fn list_discrepancies(
    app: &App,
    filter: Filter,
    page_size: u32,
) -> Result<(Vec<Discrepancy>, Option<DiscrepancyId>), Error> {
    let one_more = page_size.saturating_add(1);
    let mut found = discrepancies::page(app.db.reader(), filter, one_more).await?;
    let page_size = page_size as usize;
    let more = found.len() > page_size;
    found.truncate(page_size);
    let next = found.last().filter(|_| more).map(|last| last.id);
    Ok((found, next))
}
