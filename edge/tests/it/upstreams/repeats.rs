//! What is tried again, and what never is.

use std::{sync::Arc, time::Duration};

use proto::souk::catalog::v1::GetProductRequest;
use tokio::{task::JoinSet, time::Instant};
use tonic::Code;

use super::{Fleet, UNLIMITED, log_in};
use crate::support::{product_id, read, services::Shop, until};

#[tokio::test]
async fn repeats_stay_within_their_budget_when_everything_fails() {
    const REQUESTS: usize = 1000;
    let fleet = Fleet::start(3, &UNLIMITED).await;
    for shop in &fleet.shops {
        shop.fail_with(Some(Code::Unavailable));
    }
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let mut catalog = fleet.edge.catalog().await;
        callers.spawn(async move {
            for _ in 0..REQUESTS / 10 {
                let question = GetProductRequest { id: product_id() };
                let failed = catalog.get_product(question).await.unwrap_err();
                assert_eq!(
                    (failed.code(), failed.message()),
                    (Code::Unavailable, "failing")
                );
            }
        });
    }
    callers.join_all().await;
    let attempts: usize = fleet.shops.iter().map(|shop| shop.all_calls()).sum();
    // A fifth of them, and three a second with ten seconds' in advance.
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let most = REQUESTS + REQUESTS / 5 + 3 * (10 + seconds);
    assert!(
        (REQUESTS + 30..=most).contains(&attempts),
        "{attempts} of {most}"
    );
    let metrics = fleet.edge.metrics().await;
    assert!(
        metrics
            .contains("edge_upstream_repeats_total{outcome=\"over_budget\",service=\"catalog\"}")
    );
}

#[tokio::test]
async fn what_one_instance_declines_another_one_answers() {
    let fleet = Fleet::start(2, &UNLIMITED).await;
    fleet.shops[0].fail_with(Some(Code::Unavailable));
    let mut catalog = fleet.edge.catalog().await;
    for _ in 0..20 {
        read(&mut catalog, &product_id()).await;
    }
    let declined = fleet.shops[0].all_calls();
    assert!(
        declined > 0 && fleet.shops[1].all_calls() == 20,
        "{declined}"
    );
}

#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    let fleet = Fleet::start(2, &UNLIMITED).await;
    let edge = &fleet.edge;
    let running = tokio::spawn({
        let channel = edge.channel().await;
        async move { log_in(channel, "never-").await }
    });
    until("one is asked", async || {
        fleet.calls("log_in").iter().sum::<usize>() == 1
    })
    .await;
    let asked = fleet.shops.iter().find(|shop| shop.calls("log_in") == 1);
    asked.unwrap().crash();
    let broken = running.await.unwrap().unwrap_err();
    assert_eq!(broken.code(), Code::Unavailable);
    assert_eq!(fleet.calls("log_in").iter().sum::<usize>(), 1);

    // The same with a read: another instance answers.
    let fleet = Fleet::start(2, &UNLIMITED).await;
    let id = format!("gated-{}", product_id());
    let mut catalog = fleet.edge.catalog().await;
    let running = tokio::spawn({
        let id = id.clone();
        async move { read(&mut catalog, &id).await }
    });
    until("one is asked", async || {
        fleet.calls(&id).iter().sum::<usize>() == 1
    })
    .await;
    let asked = fleet.shops.iter().position(|shop| shop.calls(&id) == 1);
    let asked = asked.unwrap();
    fleet.shops[1 - asked].gate.add_permits(1);
    fleet.shops[asked].crash();
    assert_eq!(running.await.unwrap().0.id, id);
    assert_eq!(fleet.calls(&id), [1, 1]);
}

#[tokio::test]
async fn what_was_never_sent_goes_to_another_instance_whatever_it_does() {
    let fleet = Fleet::start(2, &UNLIMITED).await;
    fleet.shops[0].crash(); // nobody has a connection yet
    for _ in 0..10 {
        log_in(fleet.edge.channel().await, "").await.unwrap();
    }
    assert_eq!(fleet.shops[1].calls("log_in"), 10);
}

#[tokio::test]
async fn what_is_left_of_the_time_travels_with_a_repeat() {
    let fleet = Fleet::start(2, &UNLIMITED).await;
    let (first, second) = (&fleet.shops[0], &fleet.shops[1]);
    let id = format!("gated-{}", product_id());
    let web = fleet.edge.web();
    let path = "/souk.catalog.v1.CatalogService/GetProduct";
    let question = GetProductRequest { id: id.clone() };
    let asking = web.call(path, &question);
    let breaking = async {
        until("one is asked", async || {
            fleet.calls(&id).iter().sum::<usize>() == 1
        })
        .await;
        let (asked, other) = if first.calls(&id) == 1 {
            (first, second)
        } else {
            (second, first)
        };
        let whole = left_ms(asked);
        // What happens in this time is what is to be seen.
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.gate.add_permits(1);
        asked.crash();
        (whole, Arc::clone(other))
    };
    let (answer, (whole, other)) = tokio::join!(asking, breaking);
    assert_eq!((answer.status, answer.grpc_status), (200, Some(0)));
    let left = left_ms(&other);
    assert!(left + 50 <= whole && whole <= 2000, "{left} of {whole}");
}

fn left_ms(shop: &Shop) -> u64 {
    let header = shop.saw("grpc-timeout").unwrap();
    header.trim_end_matches('m').parse().unwrap()
}
