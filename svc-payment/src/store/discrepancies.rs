//! The table `discrepancies`.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, id::AccountId, money::Money};
use uuid::Uuid;

use super::{money, read};
use crate::{
    payment::OrderId,
    provider::ProviderName,
    reason::Reason,
    reconciliation::{Discrepancy, DiscrepancyId, Finding, Kind, Resolution, Run, State},
};

const TABLE: &str = "discrepancies";

struct Row {
    id: Uuid,
    provider: String,
    kind: String,
    object: String,
    date: NaiveDate,
    object_id: Option<Uuid>,
    order_id: Option<Uuid>,
    reference: Option<String>,
    our_currency: Option<String>,
    our_minor: Option<i64>,
    our_state: Option<String>,
    their_currency: Option<String>,
    their_minor: Option<i64>,
    their_state: Option<String>,
    proposal: String,
    state: String,
    create_time: DateTime<Utc>,
    close_time: Option<DateTime<Utc>>,
    reason: Option<String>,
    staff_id: Option<Uuid>,
}

impl TryFrom<Row> for Discrepancy {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let ours = side(row.our_currency, row.our_minor, row.our_state)?;
        let theirs = side(row.their_currency, row.their_minor, row.their_state)?;
        Ok(Self {
            id: DiscrepancyId(row.id),
            provider: read(TABLE, &row.provider)?,
            finding: Finding {
                kind: read(TABLE, &row.kind)?,
                object: read(TABLE, &row.object)?,
                date: row.date,
                object_id: row.object_id,
                order_id: row.order_id.map(OrderId),
                reference: row.reference,
                ours,
                theirs: theirs
                    .map(|(amount, state)| Ok::<_, StoreError>((amount, read(TABLE, &state)?)))
                    .transpose()?,
            },
            proposal: row.proposal,
            state: read(TABLE, &row.state)?,
            create_time: row.create_time,
            close_time: row.close_time,
            resolution: row.staff_id.zip(row.reason).map(|(id, reason)| Resolution {
                staff_id: AccountId(id),
                reason: Reason::stored(reason),
            }),
        })
    }
}

fn side(
    currency: Option<String>,
    minor: Option<i64>,
    state: Option<String>,
) -> Result<Option<(Money, String)>, StoreError> {
    match (currency, minor, state) {
        (Some(currency), Some(minor), Some(state)) => {
            Ok(Some((money(TABLE, &currency, minor)?, state)))
        }
        _ => Ok(None),
    }
}

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// By the comparison of this number.
    Comparison(u32),
    /// The provider told us, so often now, that a refund has failed after all.
    Reversal(i32),
}

impl Source {
    /// Names what was found, within its provider and kind. Each reversal stands
    /// for itself, beside what comparisons find of the same refund.
    fn identity(self, finding: &Finding) -> String {
        match self {
            Self::Comparison(_) => finding.identity(),
            Self::Reversal(number) => format!("{} reversal {number}", finding.identity()),
        }
    }

    /// The comparison, if it was one.
    fn comparison(self) -> Option<i32> {
        match self {
            Self::Comparison(number) => Some(i32::try_from(number).unwrap_or(i32::MAX)),
            Self::Reversal(_) => None,
        }
    }
}

/// Writes what was found. What was found before is brought up to date; what had
/// vanished is open again, what staff have resolved stays so.
///
/// # Errors
/// When the database does not answer.
pub async fn put(
    tx: &mut PgConnection,
    id: DiscrepancyId,
    provider: ProviderName,
    source: Source,
    finding: &Finding,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ours = finding.ours.as_ref();
    let theirs = finding.theirs.as_ref();
    sqlx::query!(
        "INSERT INTO discrepancies AS known
             (id, provider, kind, object, identity, date, object_id, order_id, reference,
             our_currency, our_minor, our_state, their_currency, their_minor, their_state,
             proposal, seen_number, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (provider, kind, object, identity) DO UPDATE SET
             date = excluded.date, object_id = excluded.object_id, order_id = excluded.order_id,
             reference = excluded.reference, our_currency = excluded.our_currency,
             our_minor = excluded.our_minor, our_state = excluded.our_state,
             their_currency = excluded.their_currency, their_minor = excluded.their_minor,
             their_state = excluded.their_state, proposal = excluded.proposal,
             seen_number = excluded.seen_number,
             state = CASE WHEN known.state = 'vanished' THEN 'open' ELSE known.state END,
             close_time = CASE WHEN known.state = 'vanished' THEN NULL ELSE known.close_time END",
        id.0,
        provider.as_str(),
        finding.kind.as_str(),
        finding.object.as_str(),
        source.identity(finding),
        finding.date,
        finding.object_id,
        finding.order_id.map(|id| id.0),
        finding.reference,
        ours.map(|(amount, _)| amount.currency.code()),
        ours.map(|(amount, _)| amount.minor),
        ours.map(|(_, state)| state.as_str()),
        theirs.map(|(amount, _)| amount.currency.code()),
        theirs.map(|(amount, _)| amount.minor),
        theirs.map(|(_, state)| state.as_str()),
        finding.proposal(),
        source.comparison(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Closes what the comparison of its day did not find any more. What no
/// comparison has found stays open.
///
/// # Errors
/// When the database does not answer.
pub async fn vanish(
    tx: &mut PgConnection,
    run: &Run,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let vanished = sqlx::query!(
        "UPDATE discrepancies SET state = 'vanished', close_time = $4
         WHERE provider = $1 AND date = $2 AND state = 'open' AND seen_number <> $3",
        run.provider.as_str(),
        run.date,
        i32::try_from(run.number).unwrap_or(i32::MAX),
        now,
    )
    .execute(tx)
    .await?;
    Ok(vanished.rows_affected())
}

/// Which discrepancies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only those that stand there.
    pub state: Option<State>,
    /// Only those of this kind.
    pub kind: Option<Kind>,
    /// Only those of this day.
    pub date: Option<NaiveDate>,
    /// Only those older than this one.
    pub after: Option<DiscrepancyId>,
}

/// Discrepancies, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    db: impl PgExecutor<'_>,
    filter: Filter,
    limit: u32,
) -> Result<Vec<Discrepancy>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, provider, kind, object, date, object_id, order_id, reference, our_currency,
             our_minor, our_state, their_currency, their_minor, their_state, proposal, state,
             create_time, close_time, reason, staff_id
         FROM discrepancies
         WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR kind = $2)
           AND ($3::date IS NULL OR date = $3) AND ($4::uuid IS NULL OR id < $4)
         ORDER BY id DESC LIMIT $5",
        filter.state.map(State::as_str),
        filter.kind.map(Kind::as_str),
        filter.date,
        filter.after.map(|id| id.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Discrepancy::try_from)
    .collect()
}

/// A discrepancy, held until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(
    tx: &mut PgConnection,
    id: DiscrepancyId,
) -> Result<Option<Discrepancy>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, provider, kind, object, date, object_id, order_id, reference, our_currency,
             our_minor, our_state, their_currency, their_minor, their_state, proposal, state,
             create_time, close_time, reason, staff_id
         FROM discrepancies WHERE id = $1 FOR UPDATE",
        id.0,
    )
    .fetch_optional(tx)
    .await?
    .map(Discrepancy::try_from)
    .transpose()
}

/// Writes how staff have dealt with a discrepancy. The row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn resolve(
    tx: &mut PgConnection,
    id: DiscrepancyId,
    resolution: &Resolution,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE discrepancies SET state = 'resolved', close_time = $2, reason = $3, staff_id = $4
         WHERE id = $1",
        id.0,
        now,
        resolution.reason.expose(),
        resolution.staff_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How many are open, by kind; kinds without any are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn open(db: impl PgExecutor<'_>) -> Result<Vec<(Kind, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT kind, count(*) AS "count!" FROM discrepancies WHERE state = 'open' GROUP BY kind"#,
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| Ok((read(TABLE, &row.kind)?, row.count)))
        .collect()
}
