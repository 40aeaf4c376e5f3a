//! Instances that are not well are left alone until they are.

use std::time::Duration;

use super::{CHECKED, Fleet, Load, UNLIMITED, batch, batch_within};
use crate::support::{services::Shop, until};

#[tokio::test]
async fn an_instance_killed_under_load_costs_no_read_and_is_taken_back_when_it_returns() {
    const WRITERS: usize = 4;
    let fleet = Fleet::start(3, &UNLIMITED).await;
    let reads = Load::of_reads(&fleet.edge, 8).await;
    let writes = Load::of_writes(&fleet.edge, WRITERS).await;
    reads.until_more(100).await;
    writes.until_more(100).await;

    let victim = &fleet.shops[1];
    victim.crash();
    until("it is left alone", async || !fleet.is_usable(victim).await).await;
    reads.until_more(200).await;
    writes.until_more(200).await;

    let back = Shop::start_at(victim.address).await;
    until("it is asked again", async || {
        back.calls("batch") > 50 && fleet.is_usable(&back).await
    })
    .await;
    assert_eq!(reads.end().await, 0);
    let lost = writes.end().await;
    // Those that were under way when it died, and no others.
    assert!(lost <= WRITERS, "{lost}");
    let metrics = fleet.edge.metrics().await;
    assert!(metrics.contains("edge_upstream_ejections_total{service=\"catalog\"}"));
    let repeats = "edge_upstream_repeats_total{outcome=\"repeated\",service=\"catalog\"}";
    assert!(metrics.contains(repeats));
}

#[tokio::test]
async fn an_instance_that_hangs_is_left_alone() {
    const READERS: usize = 16;
    for flags in [UNLIMITED, CHECKED] {
        let fleet = Fleet::start(2, &flags).await;
        let patience = Some(Duration::from_millis(1500));
        let reads = Load::of(&fleet.edge, READERS, move |channel| {
            batch_within(patience, channel)
        })
        .await;
        reads.until_more(200).await;
        let hanging = &fleet.shops[0];
        hanging.hanging.send_replace(true);
        until("it is left alone", async || !fleet.is_usable(hanging).await).await;
        reads.until_more(200).await;
        hanging.hanging.send_replace(false);
        let before = hanging.calls("batch");
        until("it is asked again", async || {
            hanging.calls("batch") > before + 50
        })
        .await;
        let lost = reads.end().await;
        // Those that it had, and one try after each pause.
        assert!((1..2 * READERS).contains(&lost), "{lost}");
    }
}

#[tokio::test]
async fn an_instance_that_says_that_it_is_not_well_is_not_asked_until_it_is() {
    let fleet = Fleet::start(2, &CHECKED).await;
    let sick = &fleet.shops[0];
    sick.health
        .set_service_status("", tonic_health::ServingStatus::NotServing)
        .await;
    until("it is seen", async || !fleet.is_usable(sick).await).await;
    let state = fleet.state_of(sick).await;
    assert_eq!(state["healthy"], false);
    let before = sick.calls("batch");
    for _ in 0..50 {
        batch(fleet.edge.channel().await).await.unwrap();
    }
    assert_eq!(sick.calls("batch"), before);

    sick.health
        .set_service_status("", tonic_health::ServingStatus::Serving)
        .await;
    until("it is asked again", async || {
        batch(fleet.edge.channel().await).await.unwrap();
        sick.calls("batch") > before
    })
    .await;
    until("it is counted", async || {
        let usable = "edge_upstream_instances{service=\"catalog\",state=\"usable\"}";
        fleet.edge.metrics().await.contains(usable)
    })
    .await;
}

#[tokio::test]
async fn when_all_say_that_they_are_not_well_all_are_asked() {
    let fleet = Fleet::start(2, &CHECKED).await;
    for shop in &fleet.shops {
        shop.health
            .set_service_status("", tonic_health::ServingStatus::NotServing)
            .await;
    }
    for shop in &fleet.shops {
        until("it is seen", async || !fleet.is_usable(shop).await).await;
    }
    until("both are asked", async || {
        batch(fleet.edge.channel().await).await.unwrap();
        fleet.calls("batch").iter().all(|calls| *calls > 0)
    })
    .await;
}
