//! `categories`: the tree.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;

use crate::category::{Category, CategoryId};

/// The most categories that are answered.
const MAX_CATEGORIES: i64 = 10_000;

struct Row {
    id: String,
    title: String,
    parent_id: Option<String>,
}

impl TryFrom<Row> for Category {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let parse = |id: &str| -> Result<CategoryId, StoreError> {
            id.parse().map_err(|_| StoreError::Corrupt {
                table: "categories",
                why: format!("id {id:?}"),
            })
        };
        Ok(Self {
            id: parse(&row.id)?,
            title: row.title,
            parent_id: row.parent_id.as_deref().map(parse).transpose()?,
        })
    }
}

/// The whole tree, parents before children.
pub async fn all(db: impl PgExecutor<'_>) -> Result<Vec<Category>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, title, parent_id FROM categories ORDER BY path LIMIT $1",
        MAX_CATEGORIES,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Category::try_from)
    .collect()
}

/// One of them.
pub async fn get(db: impl PgExecutor<'_>, id: &CategoryId) -> Result<Option<Category>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, title, parent_id FROM categories WHERE id = $1",
        id.as_str(),
    )
    .fetch_optional(db)
    .await?
    .map(Category::try_from)
    .transpose()
}

/// The ids, from the root down, of a category and those above it; empty when
/// there is no such category.
pub async fn path(db: impl PgExecutor<'_>, id: &CategoryId) -> Result<String, StoreError> {
    let path = sqlx::query_scalar!("SELECT path FROM categories WHERE id = $1", id.as_str())
        .fetch_optional(db)
        .await?;
    Ok(path.unwrap_or_default())
}

/// All paths, by id.
pub async fn paths(db: impl PgExecutor<'_>) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query!("SELECT id, path FROM categories")
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.path)).collect())
}

/// Those of the ids that are there.
pub async fn known(db: impl PgExecutor<'_>, ids: &[CategoryId]) -> Result<Vec<String>, StoreError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    Ok(
        sqlx::query_scalar!("SELECT id FROM categories WHERE id = ANY($1)", &ids)
            .fetch_all(db)
            .await?,
    )
}

/// Adds a category; false when the id is taken.
pub async fn insert(
    tx: &mut PgConnection,
    category: &Category,
    path: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO categories (id, title, parent_id, path, create_time)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
        category.id.as_str(),
        category.title,
        category.parent_id.as_ref().map(CategoryId::as_str),
        path,
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
