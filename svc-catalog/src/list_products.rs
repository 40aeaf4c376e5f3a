//! Products page by page, newest first. They may be a little stale: a page is
//! kept by the edges for a minute anyway.

use svc_kit::page;

use crate::{
    app::App,
    category::CategoryId,
    error::Error,
    product::Product,
    store::{
        categories,
        products::{self, Position},
    },
};

/// Products of a page, unless asked otherwise.
pub const DEFAULT_PAGE: u32 = 20;
/// The most products of a page.
pub const MAX_PAGE: u32 = 100;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListProducts {
    /// With those below it; `None` for all.
    pub category_id: Option<CategoryId>,
    /// 0 for the default.
    pub page_size: i32,
    /// Empty for the first page.
    pub page_token: String,
}

/// A page, and where the next one begins; empty when there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first.
    pub products: Vec<Product>,
    /// Opaque.
    pub next_page_token: String,
}

/// Lists products.
///
/// # Errors
/// `Invalid` for a bad page, `CategoryNotFound`.
#[tracing::instrument(name = "catalog.list_products", skip_all)]
pub async fn list_products(app: &App, query: ListProducts) -> Result<Page, Error> {
    let size = page::size(query.page_size, DEFAULT_PAGE, MAX_PAGE)?;
    let after: Option<Position> = page::decode(&query.page_token)?;
    let size = usize::try_from(size).unwrap_or_default();
    // One more than asked for tells whether there is another page.
    let limit = i64::try_from(size + 1).unwrap_or(i64::MAX);
    let category = query.category_id.as_ref();
    let mut products = products::newest(app.db.reader(), category, after, limit).await?;
    if let Some(id) = category
        && products.is_empty()
        && categories::get(app.db.reader(), id).await?.is_none()
    {
        return Err(Error::CategoryNotFound(id.clone()));
    }
    let more = products.len() > size;
    products.truncate(size);
    let next_page_token = match products.last() {
        Some(last) if more => page::encode(&(last.create_time, last.id.0)),
        _ => String::new(),
    };
    Ok(Page {
        products,
        next_page_token,
    })
}
