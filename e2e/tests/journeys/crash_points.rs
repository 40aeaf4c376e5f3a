//! Every process of an order's way crashes at every point where that can hurt,
//! one after the other. It is started again, and the order it was at must end
//! as if nothing had happened: charged once or not at all, told once, the stock
//! right and the books balanced.

mod books;
mod passages;
mod scenario;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use e2e::{journey, shop::Shop, wait, wire::Protocol};
use futures::future;
use souk::stack::Process;

use books::Books;
use passages::Passages;
use scenario::{Cast, Scenario};

/// How long the order may take after a crash on a busy machine.
const RECOVERY: Duration = Duration::from_mins(1);

/// How long the shop waits for somebody who may have died, in milliseconds:
/// for an acknowledgement, or for the answer of a provider.
const PATIENCE_MS: &str = "1000";

/// Events that are not on an order's way.
const ELSEWHERE: &str = "/catalog-product-changed";

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
                if !point.contains(ELSEWHERE) && passed.insert((process, point.clone())) {
                    cases.push((scenario, process, point));
                }
            }
        }
        let names: BTreeSet<&str> = passed
            .iter()
            .filter_map(|(_, point)| point.split('/').next())
            .collect();
        let known = passages.known();
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        assert_eq!(names, known, "each point is on the way of some order");

        let mut all_done = Vec::new();
        for (number, (scenario, process, point)) in cases.iter().enumerate() {
            let since = Instant::now();
            let marker = dir.path().join(format!("crash-{number}"));
            shop.stack.kill(*process).await.unwrap();
            shop.stack
                .start_again_with(
                    *process,
                    &[
                        ("SOUK_FAULT_CRASH_AT", point),
                        ("SOUK_FAULT_ONCE", marker.to_str().unwrap()),
                    ],
                )
                .await
                .unwrap();
            let crash = async {
                let what = format!("{process} to crash at {point}");
                wait::within(RECOVERY, what, async || {
                    shop.stack.pid(*process).is_none().then_some(())
                })
                .await;
                let deaths = shop.stack.deaths();
                let died: Vec<Process> = deaths.iter().map(|death| death.process).collect();
                assert_eq!(died, [*process], "at {point}");
                assert!(deaths[0].story.contains("SIGABRT"), "{}", deaths[0].story);
                assert!(marker.exists(), "{process} died before {point}");
                shop.stack.start_again(*process).await.unwrap();
            };
            let (done, ()) = future::join(cast.plays(*scenario), crash).await;
            cast.sees_the_end(&books, *scenario, &done).await;
            assert!(shop.stack.deaths().is_empty(), "{point} costs one life");
            println!(
                "{scenario:?}: {process} at {point}: {:.1?}",
                since.elapsed()
            );
            all_done.push((*scenario, done));
        }
        // Nothing has come to them since.
        for (scenario, done) in &all_done {
            cast.sees_the_end(&books, *scenario, done).await;
        }
    });
}

#[test]
fn ordinary_processes_know_nothing_of_faults() {
    journey(async {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join("crash");
        let passages = Passages::below(dir.path());
        let shop = Shop::open_with(|options| {
            passages
                .of_all(options)
                .env("SOUK_FAULT_CRASH_AT", "outbox.after_read")
                .env("SOUK_FAULT_ONCE", marker.to_str().unwrap())
                .env("SOUK_FAULT_SKIP_INBOX", "1")
                .env("SOUK_FAULT_REDELIVER", "1")
        })
        .await;
        let books = Books::of(&shop).await;
        let cast = Cast::of(&shop).await;
        let done = cast.plays(Scenario::Buy).await;
        cast.sees_the_end(&books, Scenario::Buy, &done).await;

        assert!(shop.stack.deaths().is_empty());
        assert!(!marker.exists());
        assert!(passages.known().is_empty());
        assert!(books.has_claims().await, "the inbox is kept");
    });
}

#[test]
fn a_point_that_is_unknown_stops_the_start() {
    journey(async {
        let shop = Shop::open_faulty(|options| options).await;
        let shut = Process::Notify;
        shop.stack.stop(shut).await.unwrap();
        let refused = shop
            .stack
            .start_again_with(shut, &[("SOUK_FAULT_CRASH_AT", "outbox.nowhere")])
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("no point \"outbox.nowhere\""),
            "{refused}"
        );
        // It is no faulty shop by accident.
        shop.stack.start_again(shut).await.unwrap();
        let _ = shop.customer(Protocol::Grpc).await;
    });
}
