//! The tree of categories.

use crate::{app::App, category::Category, error::Error, store::categories};

/// Lists all categories, parents before children. Read from the writer: edges
/// ask again as soon as they hear of a new one, and keep the answer.
///
/// # Errors
/// Those of the database.
#[tracing::instrument(name = "catalog.list_categories", skip_all)]
pub async fn list_categories(app: &App) -> Result<Vec<Category>, Error> {
    Ok(categories::all(app.db.writer()).await?)
}
