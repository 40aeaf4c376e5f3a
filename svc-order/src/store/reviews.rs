//! The table `order_reviews`. Who decides holds the order's row.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::{error::StoreError, id::AccountId};
use uuid::Uuid;

use crate::{
    fraud::Reason,
    order::{Order, OrderId},
    review::{Decided, Review, ReviewState},
};

struct Row {
    account_id: Uuid,
    order_id: Uuid,
    state: String,
    reasons: Vec<String>,
    created_at: DateTime<Utc>,
    decided_by: Option<Uuid>,
    decided_at: Option<DateTime<Utc>>,
    note: Option<String>,
}

impl TryFrom<Row> for Review {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let decided = row.decided_by.zip(row.decided_at).zip(row.note);
        Ok(Self {
            order_id: OrderId(row.order_id),
            account_id: AccountId(row.account_id),
            state: row.state.parse().map_err(|why| StoreError::Corrupt {
                table: "order_reviews",
                why,
            })?,
            reasons: row.reasons,
            created_at: row.created_at,
            decided: decided.map(|((by, at), note)| Decided {
                by: AccountId(by),
                at,
                note,
            }),
        })
    }
}

/// Marks a new order for review.
///
/// # Errors
/// When the database is away.
pub async fn open(
    tx: &mut PgConnection,
    order: &Order,
    reasons: &[Reason],
) -> Result<(), StoreError> {
    let reasons: Vec<String> = reasons
        .iter()
        .map(|reason| reason.as_str().to_owned())
        .collect();
    sqlx::query!(
        "INSERT INTO order_reviews (account_id, order_id, state, reasons, created_at)
         VALUES ($1, $2, 'pending', $3, $4)",
        order.account_id.0,
        order.id.0,
        &reasons,
        order.created_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The review of an order, if it has one.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn find(
    db: &mut PgConnection,
    account: AccountId,
    order: OrderId,
) -> Result<Option<Review>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT account_id, order_id, state, reasons, created_at, decided_by, decided_at, note
         FROM order_reviews WHERE account_id = $1 AND order_id = $2",
        account.0,
        order.0,
    )
    .fetch_optional(db)
    .await?
    .map(Review::try_from)
    .transpose()
}

/// Writes what was decided, of a review whose order is held.
///
/// # Errors
/// When the database is away.
pub async fn save(tx: &mut PgConnection, review: &Review) -> Result<(), StoreError> {
    let decided = review.decided.as_ref();
    sqlx::query!(
        "UPDATE order_reviews SET state = $3, decided_by = $4, decided_at = $5, note = $6
         WHERE account_id = $1 AND order_id = $2",
        review.account_id.0,
        review.order_id.0,
        review.state.as_str(),
        decided.map(|decided| decided.by.0),
        decided.map(|decided| decided.at),
        decided.map(|decided| decided.note.as_str()),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Reviews of a state, or of all, after one of them, oldest orders first.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn list(
    db: &mut PgConnection,
    state: Option<ReviewState>,
    after: Option<OrderId>,
    limit: u32,
) -> Result<Vec<Review>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT account_id, order_id, state, reasons, created_at, decided_by, decided_at, note
         FROM order_reviews
         WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR order_id > $2)
         ORDER BY order_id LIMIT $3",
        state.map(ReviewState::as_str),
        after.map(|id| id.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Review::try_from)
    .collect()
}
