//! The tables `reconciliation_runs` and `reconciliation_records`: how far the
//! comparison of a day is, and what the provider has on record for it.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;
use uuid::Uuid;

use super::{LEASE, count, money, read};
use crate::{
    payment::OrderId,
    provider::{ProviderName, Record, RecordKind},
    reconciliation::{MARGIN, Ours, Phase, Run, Standing},
};

const RUNS: &str = "reconciliation_runs";
const RECORDS: &str = "reconciliation_records";

struct RunRow {
    date: NaiveDate,
    provider: String,
    phase: String,
    records: i64,
    number: i32,
    begin_time: DateTime<Utc>,
    end_time: Option<DateTime<Utc>>,
}

impl TryFrom<RunRow> for Run {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        Ok(Self {
            date: row.date,
            provider: read(RUNS, &row.provider)?,
            phase: read(RUNS, &row.phase)?,
            records: u64::try_from(row.records).map_err(|_| StoreError::Corrupt {
                table: RUNS,
                why: format!("{} records", row.records),
            })?,
            number: count(RUNS, row.number)?,
            begin_time: row.begin_time,
            end_time: row.end_time,
        })
    }
}

/// Has days compared with providers, each once. How many were not planned yet.
///
/// # Errors
/// When the database does not answer.
pub async fn plan(
    db: impl PgExecutor<'_>,
    dates: &[NaiveDate],
    providers: &[&str],
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let planned = sqlx::query!(
        "INSERT INTO reconciliation_runs (date, provider, phase, due_time, begin_time)
         SELECT date, provider, 'listing', $3, $3
         FROM unnest($1::date[]) AS date, unnest($2::text[]) AS provider
         ON CONFLICT (date, provider) DO NOTHING",
        dates,
        providers as &[&str],
        now,
    )
    .execute(db)
    .await?;
    Ok(planned.rows_affected())
}

/// Has a day compared with a provider now, and again if it was before. A
/// comparison that is under way goes on.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    db: impl PgExecutor<'_>,
    date: NaiveDate,
    provider: ProviderName,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO reconciliation_runs AS run (date, provider, phase, due_time, begin_time)
         VALUES ($1, $2, 'listing', $3, $3)
         ON CONFLICT (date, provider) DO UPDATE SET
             phase = 'listing', cursor = NULL, number = run.number + 1, records = 0,
             due_time = $3, begin_time = $3, end_time = NULL
         WHERE run.phase = 'finished'",
        date,
        provider.as_str(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The comparisons of a day.
///
/// # Errors
/// When the database does not answer.
pub async fn of_date(db: impl PgExecutor<'_>, date: NaiveDate) -> Result<Vec<Run>, StoreError> {
    sqlx::query_as!(
        RunRow,
        "SELECT date, provider, phase, records, number, begin_time, end_time
         FROM reconciliation_runs WHERE date = $1 ORDER BY provider",
        date,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Run::try_from)
    .collect()
}

/// A comparison that somebody goes on with.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Which.
    pub run: Run,
    /// Where its phase goes on.
    pub cursor: Option<String>,
    /// Which claim this is.
    pub step: i64,
}

/// Claims the comparison that has waited for longest, with one of these
/// providers: nobody else gets it before the lease is over.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_due(
    db: impl PgExecutor<'_>,
    providers: &[&str],
    now: DateTime<Utc>,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query!(
        "WITH due AS (
             SELECT date, provider FROM reconciliation_runs
             WHERE phase <> 'finished' AND due_time <= $1 AND provider = ANY ($3::text[])
             ORDER BY due_time, date LIMIT 1
             FOR UPDATE SKIP LOCKED
         )
         UPDATE reconciliation_runs AS run SET due_time = $2, step = step + 1
         FROM due WHERE run.date = due.date AND run.provider = due.provider
         RETURNING run.date, run.provider, phase, cursor, records, number, step, begin_time,
             end_time",
        now,
        now + LEASE,
        providers as &[&str],
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Claimed {
            cursor: row.cursor,
            step: row.step,
            run: RunRow {
                date: row.date,
                provider: row.provider,
                phase: row.phase,
                records: row.records,
                number: row.number,
                begin_time: row.begin_time,
                end_time: row.end_time,
            }
            .try_into()?,
        })
    })
    .transpose()
}

/// Lets a comparison wait, where it is.
///
/// # Errors
/// When the database does not answer.
pub async fn put_off(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    due_time: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE reconciliation_runs SET due_time = $4
         WHERE date = $1 AND provider = $2 AND step = $3 AND phase <> 'finished'",
        claimed.run.date,
        claimed.run.provider.as_str(),
        claimed.step,
        due_time,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Says how far a comparison is now. False if somebody else has claimed it
/// meanwhile: then nothing of this step may be committed.
///
/// # Errors
/// When the database does not answer.
pub async fn advance(
    tx: &mut PgConnection,
    claimed: &Claimed,
    phase: Phase,
    cursor: Option<&str>,
    read: usize,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let finished = phase == Phase::Finished;
    let advanced = sqlx::query!(
        "UPDATE reconciliation_runs
         SET phase = $4, cursor = $5, records = records + $6, due_time = $7, end_time = $8
         WHERE date = $1 AND provider = $2 AND step = $3",
        claimed.run.date,
        claimed.run.provider.as_str(),
        claimed.step,
        phase.as_str(),
        cursor,
        i64::try_from(read).unwrap_or(i64::MAX),
        (!finished).then_some(now),
        finished.then_some(now),
    )
    .execute(tx)
    .await?;
    Ok(advanced.rows_affected() == 1)
}

/// Keeps records of the provider while its day is compared.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(tx: &mut PgConnection, run: &Run, records: &[Record]) -> Result<(), StoreError> {
    let column = |text: fn(&Record) -> &str| -> Vec<String> {
        records
            .iter()
            .map(|record| text(record).to_owned())
            .collect()
    };
    let ids: Vec<Option<Uuid>> = records.iter().map(|record| record.id).collect();
    let amounts: Vec<i64> = records.iter().map(|record| record.amount.minor).collect();
    let times: Vec<DateTime<Utc>> = records.iter().map(|record| record.time).collect();
    sqlx::query!(
        "INSERT INTO reconciliation_records
             (date, provider, kind, reference, id, currency, amount_minor, state, time)
         SELECT DISTINCT ON (kind, reference) $1, $2, kind, reference, id, currency, minor, state,
             time
         FROM unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $7::bigint[], $8::text[],
             $9::timestamptz[]) AS page (kind, reference, id, currency, minor, state, time)
         ON CONFLICT (date, provider, kind, reference) DO UPDATE SET
             id = excluded.id, currency = excluded.currency,
             amount_minor = excluded.amount_minor, state = excluded.state, time = excluded.time",
        run.date,
        run.provider.as_str(),
        &column(|record| record.kind.as_str()),
        &column(|record| &record.reference),
        &ids as &[Option<Uuid>],
        &column(|record| record.amount.currency.code()),
        &amounts,
        &column(|record| record.state.as_str()),
        &times,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets the records of a day.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut PgConnection, run: &Run) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM reconciliation_records WHERE date = $1 AND provider = $2",
        run.date,
        run.provider.as_str(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A record of the provider, and what we have under its id.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Theirs.
    pub record: Record,
    /// Ours, if there is one.
    pub ours: Option<Ours>,
    /// The provider has another record of the same that counts: one that
    /// succeeded, and the oldest of those.
    pub again: bool,
}

/// The records of a day beside ours, by kind and reference, from after the given
/// one on.
///
/// # Errors
/// When the database does not answer.
pub async fn pairs(
    tx: &mut PgConnection,
    run: &Run,
    after: Option<&(String, String)>,
    limit: i64,
) -> Result<Vec<Pair>, StoreError> {
    let (kind, reference) = after.map_or(("", ""), |(kind, reference)| (kind, reference));
    let rows = sqlx::query!(
        r#"WITH page AS (
             SELECT kind, reference, id, currency, amount_minor, state, time
             FROM reconciliation_records
             WHERE date = $1 AND provider = $2 AND (kind, reference) > ($3, $4)
             ORDER BY kind, reference LIMIT $5
         )
         SELECT page.kind AS "kind!", page.reference AS "reference!", page.id,
             page.currency AS "currency!", page.amount_minor AS "amount_minor!",
             page.state AS "state!", page.time AS "time!",
             EXISTS (
                 SELECT FROM reconciliation_records AS other
                 WHERE other.date = $1 AND other.provider = $2 AND other.kind = page.kind
                   AND other.id = page.id AND other.state = 'succeeded'
                   AND (page.state <> 'succeeded'
                        OR (other.time, other.reference) < (page.time, page.reference))
             ) AS "again!",
             coalesce(payments.id, refunds.id) AS our_id,
             coalesce(payments.order_id, refunds.order_id) AS order_id,
             coalesce(payments.currency, refunds.currency) AS our_currency,
             coalesce(payments.amount_minor, refunds.amount_minor) AS our_minor,
             coalesce(payments.status, refunds.status) AS status,
             coalesce(payments.last_charge_time, payments.create_time, refunds.last_refund_time,
                 refunds.create_time) AS our_time
         FROM page
         LEFT JOIN payments
             ON page.kind = 'charge' AND payments.id = page.id AND payments.provider = $2
         LEFT JOIN (refunds JOIN payments AS refunded ON refunded.id = refunds.payment_id)
             ON page.kind = 'refund' AND refunds.id = page.id AND refunded.provider = $2
         ORDER BY page.kind, page.reference"#,
        run.date,
        run.provider.as_str(),
        kind,
        reference,
        limit,
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let kind: RecordKind = read(RECORDS, &row.kind)?;
            let ours = match (
                row.our_id,
                row.order_id,
                row.our_currency,
                row.our_minor,
                row.status,
                row.our_time,
            ) {
                (
                    Some(id),
                    Some(order_id),
                    Some(currency),
                    Some(minor),
                    Some(status),
                    Some(time),
                ) => Some(Ours {
                    id,
                    order_id: OrderId(order_id),
                    amount: money(RECORDS, &currency, minor)?,
                    standing: standing(kind, &status)?,
                    time,
                }),
                _ => None,
            };
            Ok(Pair {
                record: Record {
                    kind,
                    id: row.id,
                    reference: row.reference,
                    amount: money(RECORDS, &row.currency, row.amount_minor)?,
                    state: read(RECORDS, &row.state)?,
                    time: row.time,
                },
                ours,
                again: row.again,
            })
        })
        .collect()
}

/// One of ours, and whether the provider has a record of it.
#[derive(Debug, Clone)]
pub struct Sought {
    /// Ours.
    pub ours: Ours,
    /// A record was listed that is compared with it: one within [`MARGIN`] of the
    /// time at which we asked. What lies further apart is of an earlier try.
    pub there: bool,
}

/// Our payments that a provider was asked for within a span of time, oldest
/// first, from after the given one on.
///
/// # Errors
/// When the database does not answer.
pub async fn charges(
    tx: &mut PgConnection,
    run: &Run,
    after: (DateTime<Utc>, Uuid),
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Sought>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, order_id, currency, amount_minor, status,
             coalesce(last_charge_time, create_time) AS "time!",
             EXISTS (
                 SELECT FROM reconciliation_records AS record
                 WHERE record.date = $1 AND record.provider = $2 AND record.kind = 'charge'
                   AND record.id = payments.id
                   AND record.time BETWEEN
                       coalesce(last_charge_time, create_time) - make_interval(secs => $7)
                       AND coalesce(last_charge_time, create_time) + make_interval(secs => $7)
             ) AS "there!"
         FROM payments
         WHERE provider = $2 AND coalesce(last_charge_time, create_time) < $5
           AND (coalesce(last_charge_time, create_time), id) > ($3, $4)
         ORDER BY coalesce(last_charge_time, create_time), id LIMIT $6"#,
        run.date,
        run.provider.as_str(),
        after.0,
        after.1,
        until,
        limit,
        MARGIN.as_secs_f64(),
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Sought {
                there: row.there,
                ours: Ours {
                    id: row.id,
                    order_id: OrderId(row.order_id),
                    amount: money("payments", &row.currency, row.amount_minor)?,
                    standing: standing(RecordKind::Charge, &row.status)?,
                    time: row.time,
                },
            })
        })
        .collect()
}

/// Our refunds that a provider was asked for within a span of time, oldest
/// first, from after the given one on.
///
/// # Errors
/// When the database does not answer.
pub async fn refunds(
    tx: &mut PgConnection,
    run: &Run,
    after: (DateTime<Utc>, Uuid),
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Sought>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT refunds.id, refunds.order_id, refunds.currency, refunds.amount_minor,
             refunds.status, coalesce(last_refund_time, refunds.create_time) AS "time!",
             EXISTS (
                 SELECT FROM reconciliation_records AS record
                 WHERE record.date = $1 AND record.provider = $2 AND record.kind = 'refund'
                   AND record.id = refunds.id
                   AND record.time BETWEEN
                       coalesce(last_refund_time, refunds.create_time) - make_interval(secs => $7)
                       AND coalesce(last_refund_time, refunds.create_time)
                           + make_interval(secs => $7)
             ) AS "there!"
         FROM refunds JOIN payments ON payments.id = refunds.payment_id
         WHERE payments.provider = $2 AND coalesce(last_refund_time, refunds.create_time) < $5
           AND (coalesce(last_refund_time, refunds.create_time), refunds.id) > ($3, $4)
         ORDER BY coalesce(last_refund_time, refunds.create_time), refunds.id LIMIT $6"#,
        run.date,
        run.provider.as_str(),
        after.0,
        after.1,
        until,
        limit,
        MARGIN.as_secs_f64(),
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Sought {
                there: row.there,
                ours: Ours {
                    id: row.id,
                    order_id: OrderId(row.order_id),
                    amount: money("refunds", &row.currency, row.amount_minor)?,
                    standing: standing(RecordKind::Refund, &row.status)?,
                    time: row.time,
                },
            })
        })
        .collect()
}

fn standing(kind: RecordKind, status: &str) -> Result<Standing, StoreError> {
    Ok(match kind {
        RecordKind::Charge => Standing::Charge(read("payments", status)?),
        RecordKind::Refund => Standing::Refund(read("refunds", status)?),
    })
}
