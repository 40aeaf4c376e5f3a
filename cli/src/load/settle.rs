//! After the load: until nothing is under way any more. And all the time:
//! whoever ended by themselves is noted and started again.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Shop;
use super::books::{Finding, Unfinished};
use super::view::View;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often all must be quiet, one look after the other: what one look misses
/// is on its way from one place to another.
const QUIET_LOOKS: u32 = 3;

/// How a shop came to rest.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    /// How long it took, in seconds.
    pub(super) seconds: f64,
    /// What was left when the patience was over; none: it came to rest.
    left: Option<String>,
}

impl Settled {
    /// As a line of the books.
    pub(super) fn finding(&self) -> Finding {
        let mut finding = Finding::new("settled", "everything under way came to its end");
        finding.looked_at(1);
        if let Some(left) = &self.left {
            finding.offence(format!(
                "after {:.0} s there were still {left}",
                self.seconds
            ));
        }
        finding
    }
}

/// Waits until nothing is under way, as long as `patience`.
pub(super) async fn settle(shop: &Shop, patience: Duration, view: &View) -> Settled {
    tokio::select! {
        settled = quiet(shop, patience, view) => settled,
        never = keep_up(shop) => match never {},
    }
}

async fn quiet(shop: &Shop, patience: Duration, view: &View) -> Settled {
    let began = Instant::now();
    let mut quiet = 0;
    let mut shown = Instant::now();
    loop {
        let left = match shop.sources.unfinished().await {
            Ok(unfinished) if unfinished == Unfinished::default() => None,
            Ok(unfinished) => Some(unfinished.to_string()),
            Err(why) => Some(format!("books that cannot be read: {why:#}")),
        };
        quiet = if left.is_none() { quiet + 1 } else { 0 };
        let seconds = began.elapsed().as_secs_f64();
        if quiet == QUIET_LOOKS {
            view.end();
            view.say(&format!("all at rest after {seconds:.1} s"));
            return Settled {
                seconds,
                left: None,
            };
        }
        if began.elapsed() > patience {
            view.end();
            let left = left.or_else(|| Some("signs of life".to_owned()));
            return Settled { seconds, left };
        }
        if let Some(left) = &left
            && shown.elapsed() > view.every()
        {
            shown = Instant::now();
            view.now(format!("{seconds:.0} s: under way are {left}"));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Notes who ended by themselves and starts them again, for ever.
pub(super) async fn keep_up(shop: &Shop) -> Infallible {
    loop {
        for death in shop.stack.deaths() {
            shop.note_death(&death.story);
            if let Err(why) = shop.stack.start_again(death.process).await {
                shop.note_death(&format!("{} does not start again: {why:#}", death.process));
            }
        }
        sleep(LOOK_EVERY).await;
    }
}
