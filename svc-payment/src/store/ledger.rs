//! The tables `ledger_transactions` and `ledger_entries`. They are only ever
//! inserted into.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;
use uuid::Uuid;

use super::read;
use crate::{
    ledger::{Balance, Entry, Posting},
    payment::OrderId,
    refund::RefundId,
};

const TABLE: &str = "ledger_entries";

/// Books postings, each under an id of its own. What was booked before is
/// refused by the database.
///
/// # Errors
/// When the database does not answer.
pub async fn post(
    tx: &mut PgConnection,
    postings: &[(Uuid, Posting)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = postings.iter().map(|(id, _)| *id).collect();
    let order_ids: Vec<Uuid> = postings.iter().map(|(_, one)| one.order_id).collect();
    let kinds: Vec<&str> = postings.iter().map(|(_, one)| one.kind.as_str()).collect();
    let source_ids: Vec<Uuid> = postings.iter().map(|(_, one)| one.source_id).collect();
    let numbers: Vec<i32> = postings.iter().map(|(_, one)| one.number).collect();
    sqlx::query!(
        "INSERT INTO ledger_transactions (id, order_id, kind, source_id, number, create_time)
         SELECT id, order_id, kind, source_id, number, $6
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::int[])
             AS posted (id, order_id, kind, source_id, number)",
        &ids,
        &order_ids,
        &kinds as &[&str],
        &source_ids,
        &numbers,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let mut lines = Lines::default();
    for (id, posting) in postings {
        for (position, entry) in (1..).zip(posting.entries()) {
            lines.add(*id, position, posting.order_id, &entry);
        }
    }
    sqlx::query!(
        "INSERT INTO ledger_entries
             (transaction_id, position, order_id, account, currency, amount_minor)
         SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[],
                              $6::bigint[])",
        &lines.transaction_ids,
        &lines.positions,
        &lines.order_ids,
        &lines.accounts as &[&str],
        &lines.currencies as &[&str],
        &lines.amounts_minor,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How often a refund came back. Its row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn reversals(tx: &mut PgConnection, id: RefundId) -> Result<i32, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*)::int AS "count!" FROM ledger_transactions
           WHERE kind = 'refund_reversal' AND source_id = $1"#,
        id.0,
    )
    .fetch_one(tx)
    .await?)
}

/// Entries, column by column.
#[derive(Default)]
struct Lines<'a> {
    transaction_ids: Vec<Uuid>,
    positions: Vec<i32>,
    order_ids: Vec<Uuid>,
    accounts: Vec<&'a str>,
    currencies: Vec<&'a str>,
    amounts_minor: Vec<i64>,
}

impl Lines<'_> {
    fn add(&mut self, transaction_id: Uuid, position: i32, order_id: Uuid, entry: &Entry) {
        self.transaction_ids.push(transaction_id);
        self.positions.push(position);
        self.order_ids.push(order_id);
        self.accounts.push(entry.account.as_str());
        self.currencies.push(entry.currency.code());
        self.amounts_minor.push(entry.amount_minor);
    }
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
