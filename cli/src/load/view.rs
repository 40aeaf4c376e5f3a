//! What is shown while a load runs: one line that is drawn again and again in
//! a terminal, a line now and then elsewhere.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, sleep};

use super::Shop;
use super::faults::Breaking;
use super::floor::Floor;

/// Between two looks in a terminal.
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// Between two lines elsewhere.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Nobody.
    Nothing,
    /// Somebody, on standard error.
    Progress,
}

/// Where it is shown.
#[derive(Debug)]
pub(super) struct View {
    show: Show,
    bar: Option<ProgressBar>,
}

impl View {
    pub(super) fn new(show: Show) -> Self {
        let bar = (show == Show::Progress && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { show, bar }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        match (&self.bar, self.show) {
            (_, Show::Nothing) => {}
            (Some(bar), _) => bar.println(line),
            (None, Show::Progress) => eprintln!("{line}"),
        }
    }

    /// A line that the next one replaces, where there is a terminal.
    pub(super) fn now(&self, line: String) {
        match (&self.bar, self.show) {
            (_, Show::Nothing) => {}
            (Some(bar), _) => {
                bar.set_message(line);
                bar.tick();
            }
            (None, Show::Progress) => eprintln!("{line}"),
        }
    }

    /// How often it is worth looking.
    pub(super) fn every(&self) -> Duration {
        if self.bar.is_some() {
            DRAW_EVERY
        } else {
            LINE_EVERY
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows how a run goes, for ever.
pub(super) async fn watch(
    view: &View,
    shop: &Shop,
    floor: &Arc<Floor>,
    breaking: &Breaking<'_>,
    began: Instant,
) -> Infallible {
    loop {
        sleep(view.every()).await;
        let recent = floor.tally.take_recent();
        let now = floor.tally.now();
        // While Postgres is away nobody knows.
        let confirmed = match shop.sources.confirmed().await {
            Ok(count) => count.to_string(),
            Err(_) => "?".to_owned(),
        };
        let fault = breaking
            .current()
            .map_or_else(String::new, |fault| format!(", {fault}"));
        view.now(format!(
            "{:.0} s: {} came, {} in, {} shed; orders: {} answered, {} refused, {} unknown, \
             {} retries, {confirmed} confirmed; p50 {:.0} ms, p99 {:.0} ms{fault}",
            began.elapsed().as_secs_f64(),
            now.arrivals,
            now.in_flight,
            now.shed,
            now.answered,
            now.refused,
            now.unknown,
            now.retried,
            recent.quantile_ms(0.5),
            recent.quantile_ms(0.99),
        ));
    }
}
