//! Which instances there are, and who of them is asked.

use std::{net::Ipv4Addr, sync::atomic::Ordering::SeqCst, time::Duration};

use clap::Parser as _;
use edge::Config;
use svc_kit::clock::Clock;

use super::{Fleet, Load, UNLIMITED, batch, instance};
use crate::support::{
    Harness, dns::NameServer, free_address, product_id, read, services::Shop, until,
};

#[tokio::test]
async fn load_is_spread_and_a_slow_instance_gets_much_less() {
    let fleet = Fleet::start(3, &UNLIMITED).await;
    let load = Load::of_reads(&fleet.edge, 12).await;
    until("each has its share", async || {
        fleet.calls("batch").iter().all(|calls| *calls >= 100)
    })
    .await;

    let slow = &fleet.shops[2];
    slow.delay_ms.store(500, SeqCst);
    until("it is found out", async || {
        let state = fleet.state_of(slow).await;
        state["ewma_ms"].as_f64().is_some_and(|ewma| ewma > 50.0)
    })
    .await;
    let before = fleet.calls("batch");
    load.until_more(300).await;
    let after = fleet.calls("batch");
    let more: Vec<_> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
    assert!(more[2] * 10 < more[0] + more[1], "{more:?}");
    assert_eq!(load.end().await, 0);
}

#[tokio::test]
async fn the_same_question_finds_the_same_instance() {
    let clock = Clock::manual(Clock::system().now());
    let fleet = Fleet::build(3, &UNLIMITED, clock).await;
    let mut catalog = fleet.edge.catalog().await;
    let ids: Vec<_> = (0..30).map(|_| product_id()).collect();
    for _ in 0..3 {
        for id in &ids {
            read(&mut catalog, id).await;
        }
        fleet.edge.clock.advance(Duration::from_hours(24));
    }
    for id in &ids {
        let mut calls = fleet.calls(id);
        calls.sort_unstable();
        assert_eq!(calls, [0, 0, 3], "{id}");
    }
    for shop in &fleet.shops {
        assert!(shop.all_calls() > 0, "each has some");
    }
}

#[tokio::test]
async fn a_name_stands_for_all_its_addresses_and_the_last_ones_stay_when_it_is_not_answered() {
    let (one, other) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    let names = NameServer::start(&[one]).await;
    let first = Shop::start_at(free_address()).await;
    let port = first.address.port();
    let second = Shop::start_at((other, port).into()).await;
    let url = format!("http://svc-catalog.shop.test:{port}");
    let server = names.address.to_string();
    let flags = ["--catalog-url", &url, "--name-server", &server];
    let flags = [&UNLIMITED[..], &flags].concat();
    let edge = Harness::build_over(&flags, Shop::start().await).await;

    batch(edge.channel().await).await.unwrap();
    assert_eq!((first.calls("batch"), second.calls("batch")), (1, 0));
    names.say(Some(&[one, other]));
    until("both are asked", async || {
        batch(edge.channel().await).await.unwrap();
        second.calls("batch") > 0
    })
    .await;
    names.say(Some(&[other]));
    until("the first is gone", async || {
        batch(edge.channel().await).await.unwrap();
        instance(&edge, "catalog", first.address).await.is_none()
    })
    .await;
    let before = first.calls("batch");
    names.say(None);
    let asked = names.asked();
    until("it fails to answer", async || names.asked() > asked + 1).await;
    for _ in 0..20 {
        batch(edge.channel().await).await.unwrap();
    }
    assert_eq!(first.calls("batch"), before);
}

#[test]
fn an_address_that_makes_no_sense_is_one_clear_line_at_the_start() {
    let parse = |catalog: &str| {
        let mut arguments = vec!["edge", "--http-listen", "127.0.0.1:1"];
        arguments.extend(["--admin-listen", "127.0.0.1:2", "--nats-url", "nats://x"]);
        arguments.extend(["--jwks-url", "http://x:1/"]);
        for flag in [
            "--identity-url",
            "--order-url",
            "--payment-url",
            "--notify-url",
        ] {
            arguments.extend([flag, "http://127.0.0.1:3"]);
        }
        arguments.extend(["--catalog-url", catalog]);
        Config::try_parse_from(arguments).map(|config| config.upstreams.catalog_url.len())
    };
    assert_eq!(parse("http://a:1,http://[::1]:2, http://c:3").unwrap(), 3);
    for bad in [
        "",
        "http://a:1,",
        "a:1",
        "http://a",
        "http://a:1,https://b:2",
    ] {
        let error = parse(bad).unwrap_err().to_string();
        assert!(error.contains("--catalog-url"), "{bad}: {error}");
        assert!(error.contains("must be http://host:port"), "{bad}: {error}");
    }
}
