//! Who is heard, who is refused, and what is thanked for.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use svc_kit::clock::Clock;
use svc_payment::{
    app::App, payment::Status, provider::stripe::CaptureMode, receive_webhook::MAX_BODY_BYTES,
};

use super::{CAPTURED, Ear, SECRET, about, event, signature, with_a_lost_answer};
use crate::{
    harness::Harness,
    stripe::{GOOD, only_intent, shop},
    stripe_server::StripeServer,
};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

#[sqlx::test(migrations = false)]
async fn twenty_times_out_of_order_forged_too_old_and_of_nobody_have_one_effect(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let (shop, request) = with_a_lost_answer(pool, &server, &line).await;
    let ear = Ear::of(&shop.app).await;
    let mut intent = only_intent(&server, &request).await;
    let succeeded = event("evt_1", "payment_intent.succeeded", &intent);

    // The same one twenty times at once.
    let tellings: Vec<_> = (0..20).map(|_| ear.told_well(&succeeded)).collect();
    for told in futures::future::join_all(tellings).await {
        assert_eq!(told, 200);
    }
    // What happened before it arrives after it, and lies about how it ended.
    intent["status"] = "requires_payment_method".into();
    for (id, kind) in [
        ("evt_0", "payment_intent.created"),
        ("evt_2", "payment_intent.payment_failed"),
        ("evt_3", "payment_intent.canceled"),
    ] {
        assert_eq!(ear.told_well(&event(id, kind, &intent)).await, 200);
    }
    // Of a payment of nobody, of something else, and of nothing at all.
    let nobody = shop.request(GOOD);
    let of_nobody = about(
        "evt_nobody",
        "payment_intent.succeeded",
        &nobody,
        "succeeded",
    );
    assert_eq!(ear.told_well(&of_nobody).await, 200);
    let other = event("evt_other", "customer.created", &json!({"id": "cus_1"}));
    assert_eq!(ear.told_well(&other).await, 200);
    for _ in 0..2 {
        assert_eq!(ear.told_well("signed, and no JSON").await, 200);
    }

    // Whoever does not know the secret, or speaks of another time, is refused.
    let now = shop.clock.now().timestamp();
    let late = about(
        "evt_forged",
        "payment_intent.succeeded",
        &request,
        "succeeded",
    );
    for signature in [
        String::new(),
        "t=,v1=".to_owned(),
        signature("whsec_of_another", now, &late),
        signature(SECRET, now, &succeeded),
        signature(SECRET, now - 301, &late),
        signature(SECRET, now + 301, &late),
    ] {
        assert_eq!(ear.told(&late, &signature).await, 400, "{signature}");
    }
    assert_eq!(
        ear.told(&late[1..], &signature(SECRET, now, &late)).await,
        400
    );

    ear.drain().await;
    assert_eq!(ear.told_well(&succeeded).await, 200);
    ear.drain().await;
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.outbox().await, [CAPTURED]);
    assert_eq!(shop.books(&request).await.len(), 2);
    assert_eq!(server.list("refunds").await.len(), 0);
    let states = ear.states().await;
    let known: Vec<_> = states
        .iter()
        .map(|(id, state)| (id.as_str(), state.as_str()))
        .filter(|(id, _)| !id.starts_with("sha256:"))
        .collect();
    assert_eq!(
        known,
        [
            ("evt_0", "processed"),
            ("evt_1", "processed"),
            ("evt_2", "processed"),
            ("evt_3", "processed"),
            ("evt_nobody", "unmatched"),
            ("evt_other", "ignored"),
        ]
    );
    let unreadable: Vec<_> = states.iter().filter(|(_, s)| s == "unreadable").collect();
    assert_eq!((unreadable.len(), states.len()), (1, known.len() + 1));
}

#[sqlx::test(migrations = false)]
async fn what_stripe_signs_itself_is_heard(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    // Its signatures carry the time of the machine.
    let shop = shop(pool, &line.config(CaptureMode::Automatic)).await;
    let ear = Ear::of(&App {
        clock: Clock::system(),
        ..shop.app.clone()
    })
    .await;
    server.tell(&ear.url, SECRET).await;
    let request = shop.requested(GOOD).await;
    line.cut(true);
    shop.drain().await;
    line.cut(false);
    assert_eq!(shop.status(&request).await, Status::Requested);

    let deadline = tokio::time::Instant::now() + PATIENCE;
    while shop.status(&request).await != Status::Captured {
        assert!(tokio::time::Instant::now() < deadline, "it is not heard");
        tokio::time::sleep(Duration::from_millis(50)).await;
        ear.drain().await;
    }
    assert_eq!(shop.outbox().await, [CAPTURED]);
    let states = ear.states().await;
    assert!(
        states[0].0.starts_with("evt_") && states[0].1 == "processed",
        "{states:?}"
    );
    assert_eq!(states.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn nothing_is_thanked_for_that_is_not_committed(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let ear = Ear::of(&shop.app).await;
    let body = event("evt_1", "customer.created", &json!({}));
    let run = async |sql: &'static str| {
        sqlx::query(sql).execute(&shop.pool).await.unwrap();
    };

    run("ALTER TABLE webhook_events RENAME TO elsewhere").await;
    assert_eq!(ear.told_well(&body).await, 503);
    run("ALTER TABLE elsewhere RENAME TO webhook_events").await;
    assert_eq!(ear.states().await, []);

    assert_eq!(ear.told_well(&body).await, 200);
    assert_eq!(ear.state("evt_1").await.as_deref(), Some("received"));
}

#[sqlx::test(migrations = false)]
async fn what_is_too_large_or_no_post_is_refused(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let ear = Ear::of(&shop.app).await;
    let fits = "x".repeat(MAX_BODY_BYTES);
    assert_eq!(ear.told_well(&fits).await, 200);
    assert_eq!(ear.told_well(&format!("{fits}x")).await, 413);
    let read = ear.http.get(&ear.url).send().await.unwrap();
    assert_eq!(read.status().as_u16(), 405);
    assert_eq!(ear.states().await.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn an_event_does_not_show_whom_it_names(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let ear = Ear::of(&shop.app).await;
    let request = shop.request(GOOD);
    let body = about("evt_1", "payment_intent.succeeded", &request, "succeeded");
    assert_eq!(ear.told_well(&body).await, 200);
    let claimed = svc_payment::process_webhook::begin(&shop.app)
        .await
        .unwrap()
        .unwrap();
    let shown = format!("{claimed:?}");
    assert_eq!(claimed.payload, body.as_bytes());
    assert!(
        !shown.contains("payload") && !shown.contains("ada"),
        "{shown}"
    );
}
