//! Adds a node to the tree of categories.

use crate::{
    announce, app::App, category::Category, error::Error, store::categories, violation::Violation,
};

/// Adds a category, or finds that it is there.
///
/// # Errors
/// `CATEGORY_UNKNOWN` for a parent that is not there, `CATEGORY_TOO_DEEP`,
/// `CategoryExists` when the id is that of another one.
#[tracing::instrument(name = "catalog.create_category", skip_all, fields(id = %category.id))]
pub async fn create_category(app: &App, category: Category) -> Result<Category, Error> {
    let mut tx = app.db.begin().await?;
    let parent_path = match &category.parent_id {
        Some(parent) => {
            let path = categories::path(&mut *tx, parent).await?;
            if path.is_empty() {
                return Err(broken(Violation::category_unknown("parent_id")));
            }
            path
        }
        None => String::new(),
    };
    let path = category.path(&parent_path).map_err(broken)?;
    if !categories::insert(&mut tx, &category, &path, app.clock.now()).await? {
        // Categories are never changed or removed, so it is still there.
        return match categories::get(&mut *tx, &category.id).await? {
            Some(same) if same == category => Ok(same),
            _ => Err(Error::CategoryExists(category.id)),
        };
    }
    announce::categories_changed(app, &mut tx).await?;
    tx.commit().await?;
    Ok(category)
}

fn broken(violation: Violation) -> Error {
    Error::Rules {
        parent: "category",
        violations: vec![violation],
    }
}
