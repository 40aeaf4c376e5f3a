//! What staff did to orders, newest first. For staff.

use svc_kit::error::StoreError;

use crate::{
    app::App,
    audit::{AuditId, AuditRecord},
    error::Error,
    order::OrderId,
    store::audit,
};

/// Which page.
#[derive(Debug, Clone, Copy)]
pub struct ListAuditRecords {
    /// Of which order; `None`: of all.
    pub order_id: Option<OrderId>,
    /// How many records.
    pub page_size: u32,
    /// The last record of the page before.
    pub after: Option<AuditId>,
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first.
    pub records: Vec<AuditRecord>,
    /// Where the next page begins, if there is one.
    pub next: Option<AuditId>,
}

/// Lists records.
///
/// # Errors
/// `Unavailable` when the database is away.
#[tracing::instrument(name = "order.list_audit_records", skip_all)]
pub async fn list_audit_records(app: &App, query: ListAuditRecords) -> Result<AuditPage, Error> {
    let mut db = app.db.writer().acquire().await.map_err(StoreError::from)?;
    let one_more = query.page_size.saturating_add(1);
    let mut records = audit::list(&mut db, query.order_id, query.after, one_more).await?;
    let page_size = query.page_size as usize;
    let next = (records.len() > page_size).then(|| {
        records.truncate(page_size);
        records.last().map(|record| record.id)
    });
    Ok(AuditPage {
        records,
        next: next.flatten(),
    })
}
