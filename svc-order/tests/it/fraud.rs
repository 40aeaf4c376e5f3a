//! Looking at an order before it is placed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, http::HeaderMap, http::StatusCode, routing::post};
use clap::Parser as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use svc_kit::{error::Kind, testing};
use svc_order::{
    fraud::{Fraud, FraudConfig},
    order::{Order, Status},
    place_order::{PlaceOrder, place_order},
    store::reviews,
};
use tokio::net::TcpListener;

use crate::support::{PLACED, Shop, at_once, eur, kind, no_redis, order_of, order_of_cart, reason};

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    fraud: FraudConfig,
}

/// The screens that these flags switch on.
async fn screens(shop: &Shop, flags: &[&str]) -> Fraud {
    let redis = testing::redis().await;
    let flags = Flags::parse_from([&["svc-order"], flags].concat());
    flags.fraud.screens(&redis, &shop.app.clock).unwrap()
}

async fn shop_with(pool: PgPool, flags: &[&str]) -> Shop {
    let mut shop = Shop::new(pool).await;
    shop.app.fraud = screens(&shop, flags).await;
    shop
}

fn tent_for(shop: &Shop, minor: i64) -> PlaceOrder {
    let tent = shop.catalog.sell("Tent", eur(minor));
    order_of(&[(tent, 1)])
}

/// Why an order is doubted; nothing when it is not.
async fn doubts(shop: &Shop, order: &Order) -> Vec<String> {
    let mut db = shop.db().writer().acquire().await.unwrap();
    reviews::find(&mut db, order.account_id, order.id)
        .await
        .unwrap()
        .map(|review| review.reasons)
        .unwrap_or_default()
}

/// An outside service that counts how often it is asked.
struct Service {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Service {
    /// Answers the same to everybody, after a while.
    async fn answers(status: StatusCode, body: String, after: Duration) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let answer = post(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let body = body.clone();
            async move {
                tokio::time::sleep(after).await;
                (status, body)
            }
        });
        Self::serve(answer, asked).await
    }

    async fn says(body: Value) -> Self {
        Self::answers(StatusCode::OK, body.to_string(), Duration::ZERO).await
    }

    async fn serve(answer: axum::routing::MethodRouter, asked: Arc<AtomicUsize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/screen", listener.local_addr().unwrap());
        let router = Router::new().route("/screen", answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[sqlx::test(migrations = false)]
async fn amounts_are_reviewed_or_refused_by_currency(pool: PgPool) {
    let flags = [
        "--fraud-review-amount=EUR=500.00",
        "--fraud-refuse-amount=EUR=5000.00",
    ];
    let shop = shop_with(pool, &flags).await;
    let small = shop.place(tent_for(&shop, 49_999)).await.unwrap();
    assert!(doubts(&shop, &small).await.is_empty());
    let large = shop.place(tent_for(&shop, 50_000)).await.unwrap();
    assert_eq!(doubts(&shop, &large).await, ["AMOUNT_HIGH"]);
    assert_eq!(large.status, Status::Pending, "it goes on");

    let error = shop.place(tent_for(&shop, 500_000)).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "ORDER_REFUSED")
    );
    // Nobody is told why.
    assert_eq!(error.to_string(), "the order cannot be placed");
    assert!(svc_kit::error::ServiceError::metadata(&error).is_empty());
    assert_eq!(shop.outbox().await, [PLACED, PLACED]);
}

#[sqlx::test(migrations = false)]
async fn another_country_than_the_accounts_is_reviewed_or_refused(pool: PgPool) {
    let mut shop = shop_with(pool, &["--fraud-country-mismatch=review"]).await;
    let from = |shop: &Shop, country: Option<&str>| PlaceOrder {
        billing_country: country.map(ToOwned::to_owned),
        ..tent_for(shop, 42_00)
    };
    for (home, expected) in [
        (None, vec![]),
        (Some("GB"), vec![]),
        (Some("FR"), vec!["COUNTRY_MISMATCH"]),
    ] {
        let order = shop.place(from(&shop, home)).await.unwrap();
        assert_eq!(doubts(&shop, &order).await, expected);
    }
    shop.app.fraud = screens(&shop, &["--fraud-country-mismatch=refuse"]).await;
    let error = shop.place(from(&shop, Some("FR"))).await.unwrap_err();
    assert_eq!(reason(&error), "ORDER_REFUSED");
}

#[sqlx::test(migrations = false)]
async fn whoever_orders_too_often_is_reviewed_and_a_repeat_counts_once(pool: PgPool) {
    let shop = shop_with(pool, &["--fraud-velocity-per-hour=3"]).await;
    let command = tent_for(&shop, 42_00);
    let answers = at_once(10, |_| {
        let (app, customer, command) = (shop.app.clone(), shop.customer.clone(), command.clone());
        async move { place_order(&app, &customer, command).await.unwrap() }
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    for expected in [vec![], vec![], vec!["VELOCITY_HIGH"], vec!["VELOCITY_HIGH"]] {
        let order = shop.place(tent_for(&shop, 42_00)).await.unwrap();
        assert_eq!(doubts(&shop, &order).await, expected);
    }
    // Another account has a count of its own, and an hour is an hour.
    let other = place_order(&shop.app, &testing::caller(), tent_for(&shop, 42_00))
        .await
        .unwrap();
    assert!(doubts(&shop, &other).await.is_empty());
    shop.app.clock.advance(Duration::from_mins(61));
    let later = shop.place(tent_for(&shop, 42_00)).await.unwrap();
    assert!(doubts(&shop, &later).await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn without_redis_orders_are_marked_for_review(pool: PgPool) {
    let mut shop = Shop::new(pool).await;
    let flags = [
        "svc-order",
        "--fraud-velocity-per-hour=3",
        "--fraud-review-amount=EUR=1.00",
    ];
    let flags = Flags::parse_from(flags);
    let redis = no_redis().await;
    shop.app.fraud = flags.fraud.screens(&redis, &shop.app.clock).unwrap();
    let order = shop.place(tent_for(&shop, 42_00)).await.unwrap();
    assert_eq!(
        doubts(&shop, &order).await,
        ["AMOUNT_HIGH", "SCREEN_UNAVAILABLE"]
    );
}

#[sqlx::test(migrations = false)]
async fn an_outside_service_accepts_reviews_and_refuses(pool: PgPool) {
    let mut shop = Shop::new(pool).await;
    for (answer, expected) in [
        (json!({"verdict": "accept"}), Some(vec![])),
        (
            json!({"verdict": "review", "reasons": ["CARD_TESTING", "<script>"]}),
            Some(vec!["CARD_TESTING", "SCREEN_OTHER"]),
        ),
        (json!({"verdict": "refuse", "reasons": ["STOLEN"]}), None),
    ] {
        let service = Service::says(answer).await;
        let url = format!("--fraud-url={}", service.url);
        shop.app.fraud = screens(&shop, &[&url, "--fraud-deadline-ms=3000"]).await;
        match (shop.place(tent_for(&shop, 42_00)).await, expected) {
            (Ok(order), Some(expected)) => assert_eq!(doubts(&shop, &order).await, expected),
            (Err(error), None) => assert_eq!(reason(&error), "ORDER_REFUSED"),
            other => panic!("{other:?}"),
        }
        assert_eq!(service.asked(), 1);
    }
}

#[sqlx::test(migrations = false)]
async fn an_outside_service_is_told_what_it_needs_and_no_more(pool: PgPool) {
    let mut shop = Shop::new(pool).await;
    let (told, hears) = tokio::sync::oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let answer = post(move |headers: HeaderMap, Json(question): Json<Value>| {
        if let Some(told) = told.lock().unwrap().take() {
            told.send((headers["authorization"].clone(), question))
                .unwrap();
        }
        async { Json(json!({"verdict": "accept"})) }
    });
    let service = Service::serve(answer, Arc::default()).await;
    let url = format!("--fraud-url={}", service.url);
    let flags = [&url, "--fraud-key=sesame", "--fraud-deadline-ms=3000"];
    shop.app.fraud = screens(&shop, &flags).await;
    let mut command = tent_for(&shop, 42_00);
    command.billing_country = Some("FR".to_owned());
    let order = shop.place(command.clone()).await.unwrap();

    let (key, question) = hears.await.unwrap();
    assert_eq!(key, "Bearer sesame");
    assert_eq!(
        question,
        json!({
            "request_id": command.request.id.to_string(),
            "order_id": order.id.to_string(),
            "account_id": order.account_id.to_string(),
            "total": {"currency": "EUR", "minor": 4200},
            "lines": [{
                "product_id": order.lines[0].product_id.to_string(),
                "quantity": 1,
                "unit_price": {"currency": "EUR", "minor": 4200},
            }],
            "shipping_country": "GB",
            "billing_country": "FR",
        })
    );
}

#[sqlx::test(migrations = false)]
async fn a_service_that_fails_does_not_keep_the_shop_from_selling(pool: PgPool) {
    let mut shop = Shop::new(pool).await;
    let second = Duration::from_secs(1);
    let ok = StatusCode::OK;
    let nothing = String::new();
    for service in [
        Service::answers(ok, json!({"verdict": "accept"}).to_string(), 30 * second).await,
        Service::answers(StatusCode::BAD_GATEWAY, nothing, Duration::ZERO).await,
        Service::says(json!({"verdict": "maybe"})).await,
        Service::answers(ok, "no JSON".to_owned(), Duration::ZERO).await,
        Service::answers(ok, " ".repeat(100_000), Duration::ZERO).await,
        Service {
            url: "http://127.0.0.1:1/".to_owned(),
            asked: Arc::default(),
        },
    ] {
        let url = format!("--fraud-url={}", service.url);
        shop.app.fraud = screens(&shop, &[&url, "--fraud-deadline-ms=400"]).await;
        let order = shop.place(tent_for(&shop, 42_00)).await.unwrap();
        assert_eq!(doubts(&shop, &order).await, ["SCREEN_UNAVAILABLE"]);
    }
}

#[sqlx::test(migrations = false)]
async fn a_service_that_goes_on_failing_is_left_alone(pool: PgPool) {
    let mut shop = Shop::new(pool).await;
    let service = Service::answers(StatusCode::BAD_GATEWAY, String::new(), Duration::ZERO).await;
    let url = format!("--fraud-url={}", service.url);
    shop.app.fraud = screens(&shop, &[&url, "--fraud-deadline-ms=3000"]).await;
    for _ in 0..8 {
        let order = shop.place(tent_for(&shop, 42_00)).await.unwrap();
        assert_eq!(doubts(&shop, &order).await, ["SCREEN_UNAVAILABLE"]);
    }
    assert_eq!(service.asked(), 5);
}

#[sqlx::test(migrations = false)]
async fn a_repeat_is_not_screened_again(pool: PgPool) {
    let mut shop = Shop::new(pool).await;
    let service = Service::says(json!({"verdict": "review"})).await;
    let url = format!("--fraud-url={}", service.url);
    shop.app.fraud = screens(&shop, &[&url, "--fraud-deadline-ms=3000"]).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    for command in [tent_for(&shop, 42_00), order_of_cart()] {
        let first = shop.place(command.clone()).await.unwrap();
        assert_eq!(shop.place(command).await.unwrap(), first);
    }
    assert_eq!(service.asked(), 2);
}

#[sqlx::test(migrations = false)]
async fn a_refusal_by_rule_is_told_to_nobody_outside(pool: PgPool) {
    let mut shop = Shop::new(pool).await;
    let service = Service::says(json!({"verdict": "accept"})).await;
    let url = format!("--fraud-url={}", service.url);
    shop.app.fraud = screens(&shop, &[&url, "--fraud-refuse-amount=EUR=1"]).await;
    let error = shop.place(tent_for(&shop, 42_00)).await.unwrap_err();
    assert_eq!(reason(&error), "ORDER_REFUSED");
    assert_eq!(service.asked(), 0);
}
