//! Compares a day's payments and refunds with what a provider has on record,
//! step by step: reads the provider's list a page at a time, outside of any
//! transaction; compares it with ours a page at a time; looks among it for ours.
//! Each step is one transaction that also says where the next one begins, so a
//! comparison that was cut off is gone on with, by whomever. It proposes repairs
//! and makes none.

use std::{sync::LazyLock, time::Duration};

use chrono::{DateTime, Days, NaiveDate, Utc};
use prometheus::IntGaugeVec;
use sqlx::PgConnection;
use svc_kit::{
    error::{Invalid, StoreError},
    metrics, page,
};
use uuid::Uuid;

use crate::{
    app::App,
    error::Error,
    provider::{Cursor, DEADLINE, ProviderAway, RecordPage},
    reconciliation::{
        CATCH_UP_DAYS, Comparison, DiscrepancyId, Finding, Kind, MARGIN, Ours, Phase, READY_AFTER,
        Run,
    },
    store::{
        discrepancies::{self, Source},
        reconciliations::{self, Claimed},
    },
};

/// How many records one step compares.
pub const COMPARED_PER_STEP: i64 = 1000;

/// How long to wait for a provider that does not list.
pub const AWAY_PAUSE: Duration = Duration::from_mins(1);

static OPEN: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge(
        "payment_discrepancies_open",
        "Records of ours and of payment providers that do not agree, by kind.",
        &["kind"],
    )
});

/// The last day that is over.
pub fn yesterday(app: &App) -> NaiveDate {
    app.clock.now().date_naive() - Days::new(1)
}

/// Has a day compared with every provider of this process, the last one that is
/// over unless another is named; again if it was before.
///
/// # Errors
/// [`Error::Invalid`] for a day that has not begun.
pub async fn reconcile(app: &App, date: Option<NaiveDate>) -> Result<(NaiveDate, Vec<Run>), Error> {
    let date = date.unwrap_or_else(|| yesterday(app));
    let now = app.clock.now();
    if date > now.date_naive() {
        return Err(Invalid::new("date", "must not be in the future").into());
    }
    let mut tx = app.db.begin().await?;
    for watched in app.providers.all() {
        reconciliations::begin(&mut *tx, date, watched.provider().name(), now).await?;
    }
    let runs = reconciliations::of_date(&mut *tx, date).await?;
    tx.commit().await?;
    app.due.reconciliations.notify_one();
    tracing::info!(%date, "reconciliation asked for");
    Ok((date, runs))
}

/// Has the days compared that are over and were not yet. How many that are.
///
/// # Errors
/// When the database does not answer.
pub async fn plan(app: &App) -> Result<u64, Error> {
    let now = app.clock.now();
    let last = (now - READY_AFTER).date_naive() - Days::new(1);
    let dates: Vec<NaiveDate> = (0..CATCH_UP_DAYS)
        .map(|ago| last - Days::new(ago))
        .collect();
    Ok(reconciliations::plan(app.db.writer(), &dates, &names(app), now).await?)
}

/// Takes one step of a comparison that waits; false if none does.
///
/// # Errors
/// When the database does not answer.
pub async fn step(app: &App) -> Result<bool, Error> {
    let now = app.clock.now();
    let claimed = reconciliations::claim_due(app.db.writer(), &names(app), now).await?;
    let Some(claimed) = claimed else {
        return Ok(false);
    };
    match claimed.run.phase {
        Phase::Listing => list(app, &claimed).await?,
        Phase::Records | Phase::Charges | Phase::Refunds => compare(app, &claimed).await?,
        Phase::Finished => {}
    }
    Ok(true)
}

/// Says how many discrepancies are open.
///
/// # Errors
/// When the database does not answer.
pub async fn measure(app: &App) -> Result<(), Error> {
    let open = discrepancies::open(app.db.reader()).await?;
    for kind in Kind::ALL {
        let count = open.iter().find(|(of, _)| *of == kind);
        OPEN.with_label_values(&[kind.as_str()])
            .set(count.map_or(0, |(_, count)| *count));
    }
    Ok(())
}

fn names(app: &App) -> Vec<&'static str> {
    let names = app.providers.all().map(|watched| watched.provider().name());
    names.map(crate::provider::ProviderName::as_str).collect()
}

fn comparison(run: &Run) -> Comparison {
    Comparison {
        date: run.date,
        begin_time: run.begin_time,
    }
}

/// Reads one page of the provider's list.
async fn list(app: &App, claimed: &Claimed) -> Result<(), Error> {
    let run = &claimed.run;
    let page = match ask(app, claimed).await {
        Ok(page) => page,
        Err(away) => {
            tracing::warn!(
                provider = %run.provider,
                date = %run.date,
                error = %away,
                "the reconciliation waits for the provider"
            );
            let due_time = app.clock.now() + AWAY_PAUSE;
            return Ok(reconciliations::put_off(app.db.writer(), claimed, due_time).await?);
        }
    };
    let mut tx = app.db.begin().await?;
    reconciliations::keep(&mut tx, run, &page.records).await?;
    let (phase, cursor) = match &page.next {
        Some(cursor) => (Phase::Listing, Some(cursor.0.as_str())),
        None => (Phase::Listing.next(), None),
    };
    let read = page.records.len();
    let now = app.clock.now();
    if reconciliations::advance(&mut tx, claimed, phase, cursor, read, now).await? {
        tx.commit().await?;
    }
    Ok(())
}

async fn ask(app: &App, claimed: &Claimed) -> Result<RecordPage, ProviderAway> {
    let run = &claimed.run;
    let Some(watched) = app.providers.get(run.provider) else {
        return Err(ProviderAway("it is not configured".to_owned()));
    };
    let comparison = comparison(run);
    let (from, until) = (comparison.start() - MARGIN, comparison.end() + MARGIN);
    let after = claimed.cursor.clone().map(Cursor);
    let answer = watched.provider().list(from, until, after);
    tokio::time::timeout(DEADLINE, answer)
        .await
        .unwrap_or_else(|_| Err(ProviderAway(format!("no answer within {DEADLINE:?}"))))
}

/// Compares one page of records, or looks for one page of ours.
async fn compare(app: &App, claimed: &Claimed) -> Result<(), Error> {
    let run = &claimed.run;
    let mut tx = app.db.begin().await?;
    let (findings, cursor) = match run.phase {
        Phase::Records => records(&mut tx, claimed).await?,
        _ => ours(&mut tx, claimed).await?,
    };
    let now = app.clock.now();
    for finding in &findings {
        let id = DiscrepancyId::generate(&app.clock);
        let source = Source::Comparison(run.number);
        discrepancies::put(&mut tx, id, run.provider, source, finding, now).await?;
    }
    let phase = if cursor.is_some() {
        run.phase
    } else {
        run.phase.next()
    };
    if phase == Phase::Finished {
        let vanished = discrepancies::vanish(&mut tx, run, now).await?;
        reconciliations::forget(&mut tx, run).await?;
        tracing::info!(
            provider = %run.provider,
            date = %run.date,
            records = run.records,
            vanished,
            "reconciled"
        );
    }
    if reconciliations::advance(&mut tx, claimed, phase, cursor.as_deref(), 0, now).await? {
        tx.commit().await?;
    }
    Ok(())
}

type Compared = (Vec<Finding>, Option<String>);

async fn records(tx: &mut PgConnection, claimed: &Claimed) -> Result<Compared, Error> {
    let run = &claimed.run;
    let after: Option<(String, String)> = read(claimed)?;
    let pairs = reconciliations::pairs(tx, run, after.as_ref(), COMPARED_PER_STEP).await?;
    let comparison = comparison(run);
    let findings = pairs
        .iter()
        .filter_map(|pair| comparison.of_record(&pair.record, pair.ours.as_ref(), pair.again));
    let next = pairs.last().filter(|_| is_full(pairs.len())).map(|last| {
        let record = &last.record;
        page::encode(&(record.kind.as_str(), &record.reference))
    });
    Ok((findings.collect(), next))
}

async fn ours(tx: &mut PgConnection, claimed: &Claimed) -> Result<Compared, Error> {
    let run = &claimed.run;
    let comparison = comparison(run);
    let after: Option<(DateTime<Utc>, Uuid)> = read(claimed)?;
    // No id is less than this one: the day's first moment is within.
    let after = after.unwrap_or((comparison.start(), Uuid::nil()));
    let until = comparison.end();
    let sought = if run.phase == Phase::Charges {
        reconciliations::charges(tx, run, after, until, COMPARED_PER_STEP).await?
    } else {
        reconciliations::refunds(tx, run, after, until, COMPARED_PER_STEP).await?
    };
    let findings = sought
        .iter()
        .filter(|sought| !sought.there)
        .filter_map(|sought| comparison.of_ours(&sought.ours));
    let position = |ours: &Ours| page::encode(&(ours.time, ours.id));
    let next = sought
        .last()
        .filter(|_| is_full(sought.len()))
        .map(|last| position(&last.ours));
    Ok((findings.collect(), next))
}

fn is_full(found: usize) -> bool {
    i64::try_from(found).is_ok_and(|found| found >= COMPARED_PER_STEP)
}

/// Where a phase goes on, as the step before it wrote.
fn read<T: serde::de::DeserializeOwned>(claimed: &Claimed) -> Result<Option<T>, StoreError> {
    let cursor = claimed.cursor.as_deref().unwrap_or_default();
    page::decode(cursor).map_err(|why| StoreError::Corrupt {
        table: "reconciliation_runs",
        why: why.to_string(),
    })
}
