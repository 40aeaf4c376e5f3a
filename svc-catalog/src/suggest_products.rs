//! Completes what a customer has begun to type.

use svc_kit::page;

use crate::{
    app::App,
    error::Error,
    search::{Engine as _, Suggestion},
};

/// Suggestions, unless asked otherwise.
pub const DEFAULT_SUGGESTIONS: u32 = 8;
/// The most suggestions.
pub const MAX_SUGGESTIONS: u32 = 20;

/// Suggests titles.
///
/// # Errors
/// `Invalid` for a bad page size; `Unavailable` when no engine can answer.
#[tracing::instrument(name = "catalog.suggest_products", skip_all)]
pub async fn suggest_products(
    app: &App,
    prefix: &str,
    page_size: i32,
) -> Result<Vec<Suggestion>, Error> {
    let limit = page::size(page_size, DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS)?;
    Ok(app.search.suggest(prefix, limit).await?)
}
