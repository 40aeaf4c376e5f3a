//! The tables `ledger_transactions` and `ledger_entries`. They are only ever
//! inserted into.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;
use uuid::Uuid;

use super::read;
use crate::{
    ledger::{Balance, Posting},
    payment::OrderId,
};

const TABLE: &str = "ledger_entries";

/// Books a posting. What was booked before is refused by the database.
///
/// # Errors
/// When the database does not answer.
pub async fn post(
    tx: &mut PgConnection,
    id: Uuid,
    posting: &Posting,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO ledger_transactions (id, order_id, kind, source_id, create_time)
         VALUES ($1, $2, $3, $4, $5)",
        id,
        posting.order_id,
        posting.kind.as_str(),
        posting.source_id,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let entries = posting.entries();
    let [debit, credit] = &entries;
    sqlx::query!(
        "INSERT INTO ledger_entries
             (transaction_id, position, order_id, account, currency, amount_minor)
         VALUES ($1, 1, $2, $3, $4, $5), ($1, 2, $2, $6, $7, $8)",
        id,
        posting.order_id,
        debit.account.as_str(),
        debit.currency.code(),
        debit.amount_minor,
        credit.account.as_str(),
        credit.currency.code(),
        credit.amount_minor,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What each account holds in each currency, of one order or of all. A sum may
/// be more than a bigint holds, so it is read as text.
///
/// # Errors
/// When the database does not answer.
pub async fn balances(
    db: impl PgExecutor<'_>,
    order_id: Option<OrderId>,
) -> Result<Vec<Balance>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT account, currency, sum(amount_minor)::text AS "minor!"
           FROM ledger_entries WHERE $1::uuid IS NULL OR order_id = $1
           GROUP BY account, currency ORDER BY account, currency"#,
        order_id.map(|id| id.0),
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Balance {
                account: read(TABLE, &row.account)?,
                currency: read(TABLE, &row.currency)?,
                minor: read(TABLE, &row.minor)?,
            })
        })
        .collect()
}
