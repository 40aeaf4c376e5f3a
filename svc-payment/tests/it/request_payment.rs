use proto::souk::event::v1::PaymentRequested;
use sqlx::PgPool;
use svc_kit::consumer::{ConsumeError, Delivered, deliver};
use svc_payment::{consumers::OnPaymentRequested, payment::Status};
use uuid::Uuid;

use crate::harness::{Harness, eur};

#[sqlx::test(migrations = false)]
async fn a_replayed_request_is_charged_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.request("tok_ok");
    let consumer = OnPaymentRequested {
        app: shop.app.clone(),
    };
    let event_id = Uuid::from_u128(7);

    let first = deliver(&shop.app.db, &consumer, event_id, request.clone())
        .await
        .unwrap();
    let again = deliver(&shop.app.db, &consumer, event_id, request.clone())
        .await
        .unwrap();
    assert_eq!((first, again), (Delivered::Handled, Delivered::Duplicate));
    // Announced again by svc-order's reconciler, under another event id.
    shop.hear_request(&request).await.unwrap();
    shop.drain().await;
    shop.settle().await;

    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
    assert_eq!(shop.outbox().await, ["souk.payment.captured.v1"]);
}

#[sqlx::test(migrations = false)]
async fn whoever_has_not_heard_the_outcome_and_asks_again_is_told_again(pool: PgPool) {
    let shop = Harness::new(pool).await;
    for (token, outcome) in [
        ("tok_ok", "souk.payment.captured.v1"),
        ("tok_declined", "souk.payment.failed.v1"),
    ] {
        let before = shop.outbox().await.len();
        let request = shop.requested(token).await;
        shop.drain().await;
        shop.hear_request(&request).await.unwrap();
        shop.settle().await;

        assert_eq!(shop.outbox().await[before..], [outcome, outcome]);
        assert!(shop.at_sandbox(&request).await.0 <= 1);
    }
}

#[sqlx::test(migrations = false)]
async fn a_second_payment_of_an_order_is_refused(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let others = [
        PaymentRequested {
            payment_id: Uuid::from_u128(9).to_string(),
            ..request.clone()
        },
        PaymentRequested {
            amount: Some(eur(1).into()),
            ..request.clone()
        },
    ];
    for other in others {
        let refused = shop.hear_request(&other).await;
        assert!(
            matches!(refused, Err(ConsumeError::Reject(_))),
            "{refused:?}"
        );
    }
    shop.drain().await;
    assert_eq!(shop.payment(&request).await.amount, eur(42_00));
    assert_eq!(shop.status(&request).await, Status::Captured);
}

#[sqlx::test(migrations = false)]
async fn a_request_that_makes_no_sense_is_refused(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let good = shop.request("tok_ok");
    let broken = [
        PaymentRequested {
            order_id: "7".to_owned(),
            ..good.clone()
        },
        PaymentRequested {
            payment_id: String::new(),
            ..good.clone()
        },
        PaymentRequested {
            amount: None,
            ..good.clone()
        },
        PaymentRequested {
            amount: Some(eur(0).into()),
            ..good.clone()
        },
        PaymentRequested {
            amount: Some(eur(-1).into()),
            ..good.clone()
        },
    ];
    for request in broken {
        let refused = shop.hear_request(&request).await;
        assert!(
            matches!(refused, Err(ConsumeError::Reject(_))),
            "{refused:?}"
        );
    }
}
