use proto::souk::{
    event::v1::{OrderReturned, PaymentRefunded},
    payment::v1::payment_service_server::PaymentService as _,
};
use sqlx::PgPool;
use svc_kit::{consumer::ConsumeError, money::Money};
use svc_payment::{grpc::Grpc, payment::Status};

use crate::harness::{Harness, by_staff, eur};

#[sqlx::test(migrations = false)]
async fn a_return_is_paid_back_once_however_often_it_is_heard(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let returned = shop.returned(&request, 10_00);

    shop.hear_returned(&returned).await.unwrap();
    shop.hear_returned(&returned).await.unwrap();
    shop.drain().await;
    shop.hear_returned(&returned).await.unwrap();
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::PartiallyRefunded);
    assert_eq!(shop.payment(&request).await.refunded, eur(10_00));
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    let announced: Vec<PaymentRefunded> = shop.announced().await;
    assert_eq!(announced.len(), 1);
    assert_eq!(announced[0].amount, Some(eur(10_00).into()));
    assert_eq!(announced[0].return_id, returned.return_id);
}

#[sqlx::test(migrations = false)]
async fn several_returns_are_paid_back_up_to_what_was_captured(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    for minor in [20_00, 22_00] {
        let returned = shop.returned(&request, minor);
        shop.hear_returned(&returned).await.unwrap();
    }

    let refused = shop.hear_returned(&shop.returned(&request, 1)).await;
    let Err(ConsumeError::Reject(why)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        why,
        "REFUND_TOO_LARGE: only EUR 0.00 of the payment is left to be refunded"
    );
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 2));
}

#[sqlx::test(migrations = false)]
async fn a_return_gets_what_staff_have_left_of_the_payment(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let grpc = Grpc::new(shop.app.clone());
    let request = shop.captured().await;
    let asked = by_staff(shop.refund(&request, 30_00));
    grpc.refund_payment(asked).await.unwrap();
    // Nobody has told svc-order of it when the whole order comes back.
    let returned = shop.returned(&request, 42_00);

    shop.hear_returned(&returned).await.unwrap();
    shop.hear_returned(&returned).await.unwrap();
    shop.drain().await;
    shop.hear_returned(&returned).await.unwrap();

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 2));
    let mut announced: Vec<PaymentRefunded> = shop.announced().await;
    announced.sort_by_key(|told| told.return_id.clone());
    let told: Vec<_> = announced
        .into_iter()
        .map(|told| (told.return_id, told.amount))
        .collect();
    assert_eq!(
        told,
        [
            (String::new(), Some(eur(30_00).into())),
            (returned.return_id.clone(), Some(eur(12_00).into())),
        ]
    );

    // A repeat says what was promised, not what was left; anything else is another.
    let other = OrderReturned {
        refund: Some(eur(12_00).into()),
        ..returned
    };
    let refused = shop.hear_returned(&other).await;
    let Err(ConsumeError::Reject(why)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(why, "REFUND_EXISTS: the return has another refund");
}

#[sqlx::test(migrations = false)]
async fn a_return_in_another_currency_is_refused_whatever_is_left(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let dollars = OrderReturned {
        refund: Some(Money::new("USD".parse().unwrap(), 50_00).into()),
        ..shop.returned(&request, 1)
    };
    let refused = shop.hear_returned(&dollars).await;
    assert!(
        matches!(refused, Err(ConsumeError::Reject(_))),
        "{refused:?}"
    );
    assert_eq!(shop.payment(&request).await.refund_requested, eur(0));
}

#[sqlx::test(migrations = false)]
async fn a_return_that_is_heard_before_the_capture_is_heard_again_later(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.request("tok_ok");
    let returned = shop.returned(&request, 10_00);

    let early = shop.hear_returned(&returned).await;
    assert!(matches!(early, Err(ConsumeError::Retry(_))), "{early:?}");
    shop.hear_request(&request).await.unwrap();
    let early = shop.hear_returned(&returned).await;
    assert!(matches!(early, Err(ConsumeError::Retry(_))), "{early:?}");

    shop.drain().await;
    shop.hear_returned(&returned).await.unwrap();
    shop.drain().await;
    assert_eq!(shop.payment(&request).await.refunded, eur(10_00));
}

#[sqlx::test(migrations = false)]
async fn a_return_of_what_was_never_paid_is_refused(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_declined").await;
    shop.drain().await;
    let refused = shop.hear_returned(&shop.returned(&request, 1)).await;
    assert!(
        matches!(refused, Err(ConsumeError::Reject(_))),
        "{refused:?}"
    );
}

#[sqlx::test(migrations = false)]
async fn a_return_without_money_moves_none(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    for refund in [None, Some(eur(0).into())] {
        let returned = OrderReturned {
            refund,
            ..shop.returned(&request, 1)
        };
        shop.hear_returned(&returned).await.unwrap();
    }
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
}

#[sqlx::test(migrations = false)]
async fn a_return_that_makes_no_sense_is_refused(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let other = shop.captured().await;
    let good = shop.returned(&request, 1_00);
    shop.hear_returned(&good).await.unwrap();
    for bad in [
        // The same return, with another amount or of another order.
        OrderReturned {
            refund: Some(eur(2_00).into()),
            ..good.clone()
        },
        OrderReturned {
            order_id: other.order_id.clone(),
            ..good.clone()
        },
        OrderReturned {
            return_id: "7".to_owned(),
            ..good.clone()
        },
        OrderReturned {
            refund: Some(eur(-1).into()),
            ..shop.returned(&request, 1)
        },
    ] {
        let refused = shop.hear_returned(&bad).await;
        assert!(
            matches!(refused, Err(ConsumeError::Reject(_))),
            "{refused:?}"
        );
    }
    assert_eq!(shop.payment(&request).await.refund_requested, eur(1_00));
    assert_eq!(shop.payment(&other).await.refund_requested, eur(0));
}
