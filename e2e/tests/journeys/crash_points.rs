//! Every process of an order's way crashes at every point where that can hurt,
//! one after the other. It is started again, and the order it was at must end
//! as if nothing had happened: charged once or not at all, told once, the stock
//! right and the books balanced.

pub(crate) mod books;
pub(crate) mod passages;
pub(crate) mod scenario;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use e2e::{journey, shop::Shop, wait};
use futures::future;
use souk::stack::Process;
use tempfile::TempDir;

use books::Books;
use passages::Passages;
use scenario::{Cast, Scenario};

/// How long the order may take after a crash on a busy machine.
pub(crate) const RECOVERY: Duration = Duration::from_mins(1);

/// How long the shop waits for somebody who may have died, in milliseconds:
/// for an acknowledgement, or for the answer of a provider.
const PATIENCE_MS: &str = "1000";

/// Points where several messages are handled together. Whether they are is
/// chance, so they are not looked for while the processes note what they pass.
const BATCH: &str = "batch.";

/// Who is given several orders together.
const RUSH: &str = "catalog-order-placed";

/// How many.
const TOGETHER: usize = 5;

/// Events that are not on an order's way.
const ELSEWHERE: &str = "/catalog-product-changed";

/// A process that is about to crash.
struct Armed {
    process: Process,
    point: String,
    marker: PathBuf,
}

impl Armed {
    fn at(dir: &TempDir, process: Process, point: String) -> Self {
        let name = format!("{process} {point}").replace('/', " ");
        Self {
            process,
            point,
            marker: dir.path().join(name),
        }
    }

    /// Starts it. It may find something to crash at before it is ready.
    async fn start(&self, shop: &Shop) -> anyhow::Result<()> {
        let faults = [
            ("SOUK_FAULT_CRASH_AT", self.point.as_str()),
            ("SOUK_FAULT_ONCE", self.marker.to_str().unwrap()),
        ];
        match shop.stack.start_again_with(self.process, &faults).await {
            Err(_) if self.marker.exists() => Ok(()),
            started => started,
        }
    }

    /// Waits until it has crashed there and nowhere else, and starts it again.
    async fn crashes(&self, shop: &Shop) {
        let Self { process, point, .. } = self;
        let what = format!("{process} to crash at {point}");
        wait::within(RECOVERY, what, async || {
            shop.stack.pid(*process).is_none().then_some(())
        })
        .await;
        assert!(self.marker.exists(), "{process} died before {point}");
        let log = shop.stack.log(*process);
        assert!(log.contains(&format!("crashing at {point}\n")), "{point}");
        shop.stack.start_again(*process).await.unwrap();
    }
}

#[test]
fn an_order_ends_well_wherever_a_process_crashes() {
    journey(async {
        let dir = tempfile::tempdir().unwrap();
        let passages = Passages::below(dir.path());
        let shop = Shop::open_faulty(|options| {
            let options = options.env("SOUK_FAULT_PATIENCE_MS", PATIENCE_MS);
            passages.of_all(options)
        })
        .await;
        let books = Books::of(&shop).await;
        let cast = Cast::of(&shop).await;
        // What the opening has begun.
        wait::until_it_is(RECOVERY, "what waits", &0, async || books.waiting().await).await;
        passages.since(&passages.mark()).await;

        // What each process passes while nothing goes wrong.
        let mut cases: Vec<(Scenario, Process, String)> = Vec::new();
        let mut passed = BTreeSet::new();
        for scenario in Scenario::ALL {
            let before = passages.mark();
            let done = cast.plays(scenario).await;
            cast.sees_the_end(&books, scenario, &done).await;
            for (process, point) in passages.since(&before).await {
                let here = !point.contains(ELSEWHERE) && !point.starts_with(BATCH);
                if here && passed.insert((process, point.clone())) {
                    cases.push((scenario, process, point));
                }
            }
        }
        let known = passages.known();
        let (batches, singles): (BTreeSet<&str>, BTreeSet<&str>) = known
            .iter()
            .map(String::as_str)
            .partition(|point| point.starts_with(BATCH));
        let names: BTreeSet<&str> = passed
            .iter()
            .filter_map(|(_, point)| point.split('/').next())
            .collect();
        assert_eq!(names, singles, "each point is on the way of some order");

        let mut all_done = Vec::new();
        for (scenario, process, point) in cases {
            let since = Instant::now();
            let armed = Armed::at(&dir, process, point);
            shop.stack.kill(process).await.unwrap();
            armed.start(&shop).await.unwrap();
            let (done, ()) = future::join(cast.plays(scenario), armed.crashes(&shop)).await;
            cast.sees_the_end(&books, scenario, &done).await;
            let Armed { point, .. } = armed;
            assert!(shop.stack.deaths().is_empty(), "{point} costs one life");
            println!(
                "{scenario:?}: {process} at {point}: {:.1?}",
                since.elapsed()
            );
            all_done.push((scenario, done));
        }

        // Orders that come to svc-catalog together, because nobody could tell
        // it of them one by one.
        for point in batches {
            let since = Instant::now();
            let armed = Armed::at(&dir, Process::Catalog, format!("{point}/{RUSH}"));
            shop.stack.kill(Process::Nats).await.unwrap();
            let orders = (0..TOGETHER).map(|_| cast.plays(Scenario::Buy));
            let orders = future::join_all(orders).await;
            shop.stack.kill(Process::Catalog).await.unwrap();
            shop.stack.start_again(Process::Nats).await.unwrap();
            wait::until_it_is(RECOVERY, "what waits", &0, async || books.waiting().await).await;
            // It may crash before it is ready.
            let _ = armed.start(&shop).await;
            armed.crashes(&shop).await;
            for done in orders {
                cast.sees_the_end(&books, Scenario::Buy, &done).await;
                all_done.push((Scenario::Buy, done));
            }
            let Armed { point, .. } = armed;
            assert!(shop.stack.deaths().is_empty(), "{point} costs one life");
            println!("{TOGETHER} orders: at {point}: {:.1?}", since.elapsed());
        }
        // Nothing has come to them since.
        for (scenario, done) in &all_done {
            cast.sees_the_end(&books, *scenario, done).await;
        }
    });
}
