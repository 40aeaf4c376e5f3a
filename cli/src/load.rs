//! The load and its judge: a shop of its own, customers who order at times
//! fixed beforehand whatever the shop does, staff who ship and take back, faults
//! meanwhile, and then the books. What the load did is kept apart from what the shop has written; the
//! judge compares the two, and changes neither.

pub mod arrivals;
pub mod books;
pub mod faults;
pub mod record;
pub mod report;
pub mod view;

mod calls;
mod customers;
mod floor;
mod login;
mod options;
mod settle;
mod shipping;
mod shop;
pub mod tally;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use options::Options;
pub use report::Report;
pub use shop::Shop;

use books::Finding;
use floor::Floor;
use record::Record;
use view::View;

/// Between the end of the preparations and the first arrival.
const HEAD_START: Duration = Duration::from_millis(500);

/// Opens a shop, loads it, breaks it as told, and audits it.
///
/// # Errors
/// When the run itself could not be done; what the shop did wrong is in the
/// report.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let shop = Shop::open(options).await?;
    let report = run_in(&shop, options).await;
    shop.stack.shut_down().await;
    report
}

/// The same in a shop that is open, and fresh.
///
/// # Errors
/// When the run itself could not be done.
pub async fn run_in(shop: &Shop, options: &Options) -> anyhow::Result<Report> {
    let driven = drive(shop, options).await?;
    settle_and_audit(shop, options, &driven).await
}

/// Waits until a shop is at rest, and audits it.
///
/// # Errors
/// When the books cannot be read.
pub async fn settle_and_audit(
    shop: &Shop,
    options: &Options,
    driven: &Driven,
) -> anyhow::Result<Report> {
    let view = View::new(options.show);
    let settled = settle::settle(shop, options.settle_within, &view).await;
    let snapshot = shop.sources.read().await?;
    let mut findings = vec![settled.finding(), died(&shop.deaths())];
    findings.extend(books::audit(&snapshot, &driven.record));
    Ok(Report::new(options, driven, &settled, &snapshot, findings))
}

/// What a load has done, and how long the shop took.
#[derive(Debug)]
pub struct Driven {
    /// What was asked for, and how each request ended.
    pub record: Record,
    /// The steps, counted and measured.
    pub steps: Vec<tally::StepCount>,
    /// Arrivals that found too many others inside.
    pub shed: u64,
    /// What was broken, and when.
    pub faults: Vec<faults::Happened>,
    /// How long the load took, in seconds.
    pub seconds: f64,
}

/// Loads a shop, and breaks it as told. Comes back when every arrival has come
/// to its end and every fault is healed.
///
/// # Errors
/// When the customers cannot be registered, or a fault cannot be healed.
pub async fn drive(shop: &Shop, options: &Options) -> anyhow::Result<Driven> {
    let schedule = arrivals::schedule(options, &shop.products);
    let floor = Arc::new(Floor::open(shop, options).await?);
    let view = View::new(options.show);
    view.say(&format!(
        "{} arrivals in {} s, seed {}",
        schedule.len(),
        options.seconds,
        options.seed
    ));

    let began = Instant::now() + HEAD_START;
    let breaking = faults::Breaking::new(shop, options, began);
    let watching = view::watch(&view, shop, &floor, &breaking, began);
    let keeping = settle::keep_up(shop);
    let work = async {
        let (left, broken) = tokio::join!(floor::run(&floor, schedule, began), breaking.run());
        left?;
        broken
    };
    let faults = tokio::select! {
        faults = work => faults?,
        never = watching => match never {},
        never = keeping => match never {},
    };
    view.end();
    let seconds = began.elapsed().as_secs_f64();
    let record = Record {
        products: shop.products.clone(),
        asked: floor.take_asked(),
        returns: floor.take_returns(),
    };
    Ok(Driven {
        record,
        steps: floor.tally.counts(),
        shed: floor.tally.now().shed,
        faults,
        seconds,
    })
}

/// Nothing ended by itself.
fn died(deaths: &[String]) -> Finding {
    let mut finding = Finding::new("deaths", "no process ended by itself");
    finding.looked_at(1);
    for death in deaths {
        finding.offence(death);
    }
    finding
}
