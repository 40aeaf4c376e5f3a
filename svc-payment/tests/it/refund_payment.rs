use proto::souk::payment::v1::{
    GetPaymentRequest, PaymentStatus, RefundCause, RefundPaymentRequest, RefundStatus,
    payment_service_server::PaymentService as _,
};
use sqlx::PgPool;
use svc_payment::{
    grpc::Grpc,
    ledger::Account,
    payment::Status,
    provider::FoundRefund,
    refund_payment::{ask, begin, conclude},
};
use tonic::Code;

use crate::harness::{Harness, by_staff, eur, reason};

const EVENTS: [&str; 2] = ["souk.payment.captured.v1", "souk.payment.refunded.v1"];

#[sqlx::test(migrations = false)]
async fn a_crash_before_the_provider_was_asked_refunds_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    while shop.charge_step().await == svc_kit::job::Progress::More {}
    shop.hear_cancelled(&request).await.unwrap();

    begin(&shop.app).await.unwrap().unwrap();
    assert!(
        begin(&shop.app).await.unwrap().is_none(),
        "the lease keeps others away"
    );
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.outbox().await, EVENTS);
}

#[sqlx::test(migrations = false)]
async fn a_crash_before_the_refund_was_recorded_refunds_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    while shop.charge_step().await == svc_kit::job::Progress::More {}
    shop.hear_cancelled(&request).await.unwrap();

    let late = begin(&shop.app).await.unwrap().unwrap();
    assert_eq!(ask(&shop.app, &late).await, FoundRefund::Refunded);
    shop.settle().await;
    // Whoever was slow comes back with its answer after all.
    conclude(&shop.app, &late, FoundRefund::Refunded)
        .await
        .unwrap();

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.outbox().await, EVENTS);
}

#[sqlx::test(migrations = false)]
async fn the_database_refuses_to_give_back_more_than_was_captured(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    shop.drain().await;

    let refused = sqlx::query("UPDATE payments SET refunded_minor = amount_minor + 1")
        .execute(&shop.pool)
        .await
        .unwrap_err();

    assert!(
        refused.to_string().contains("payments_refunded"),
        "{refused}"
    );
    assert_eq!(shop.status(&request).await, Status::Captured);
}

#[sqlx::test(migrations = false)]
async fn the_database_refuses_refunds_that_are_more_together_than_was_captured(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let grpc = Grpc::new(shop.app.clone());
    grpc.refund_payment(by_staff(shop.refund(&request, 40_00)))
        .await
        .unwrap();

    let one_more = "INSERT INTO refunds (id, payment_id, order_id, status, currency, amount_minor,
            due_time, create_time, update_time)
        SELECT gen_random_uuid(), payment_id, order_id, status, $1, $2, due_time, create_time,
            update_time
        FROM refunds";
    for (currency, minor, constraint) in [
        ("EUR", 2_01, "payments_refund_requested_of_captured"),
        ("USD", 1, "refunds_currency"),
    ] {
        let refused = sqlx::query(one_more)
            .bind(currency)
            .bind(minor)
            .execute(&shop.pool)
            .await
            .unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert_eq!(refused.constraint(), Some(constraint), "{refused}");
    }
    for sql in ["UPDATE refunds SET amount_minor = 1", "DELETE FROM refunds"] {
        let refused = sqlx::query(sql).execute(&shop.pool).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert_eq!(refused.constraint(), Some("refunds_fixed"), "{refused}");
    }
}

#[sqlx::test(migrations = false)]
async fn staff_give_parts_back_until_nothing_is_left(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let grpc = Grpc::new(shop.app.clone());

    let first = grpc
        .refund_payment(by_staff(shop.refund(&request, 12_00)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first.status(), RefundStatus::Requested);
    assert_eq!(first.cause(), RefundCause::Staff);
    assert_eq!(first.amount, Some(eur(12_00).into()));
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::PartiallyRefunded);
    assert_eq!(shop.payment(&request).await.refunded, eur(12_00));

    let too_large = grpc
        .refund_payment(by_staff(shop.refund(&request, 30_01)))
        .await
        .unwrap_err();
    assert_eq!(too_large.code(), Code::FailedPrecondition);
    assert_eq!(reason(&too_large), "REFUND_TOO_LARGE");
    assert_eq!(
        too_large.message(),
        "only EUR 30.00 of the payment is left to be refunded"
    );

    grpc.refund_payment(by_staff(shop.refund(&request, 30_00)))
        .await
        .unwrap();
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 2));
    assert_eq!(shop.outbox().await, [EVENTS[0], EVENTS[1], EVENTS[1]]);
    let books = shop.books(&request).await;
    assert!(books.contains(&(Account::Refunds, 42_00)), "{books:?}");
}

#[sqlx::test(migrations = false)]
async fn one_request_id_is_one_refund(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let other = shop.captured().await;
    let grpc = Grpc::new(shop.app.clone());
    let body = shop.refund(&request, 42_00);

    let first = grpc.refund_payment(by_staff(body.clone())).await.unwrap();
    shop.drain().await;
    let again = grpc.refund_payment(by_staff(body.clone())).await.unwrap();
    assert_eq!(again.get_ref().id, first.get_ref().id);
    assert_eq!(again.get_ref().status(), RefundStatus::Refunded);

    for different in [
        RefundPaymentRequest {
            amount: Some(eur(41_00).into()),
            ..body.clone()
        },
        RefundPaymentRequest {
            reason: "another one".to_owned(),
            ..body.clone()
        },
        RefundPaymentRequest {
            order_id: other.order_id.clone(),
            ..body.clone()
        },
    ] {
        let refused = grpc.refund_payment(by_staff(different)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
    }
    shop.drain().await;
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.at_sandbox(&other).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn refunds_at_the_same_moment_are_never_more_than_was_captured(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;

    let calls: Vec<_> = (0..20)
        .map(|_| {
            let grpc = Grpc::new(shop.app.clone());
            let body = shop.refund(&request, 5_00);
            tokio::spawn(async move { grpc.refund_payment(by_staff(body)).await })
        })
        .collect();
    let mut accepted = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(refused) => assert_eq!(reason(&refused), "REFUND_TOO_LARGE"),
        }
    }
    shop.drain().await;

    assert_eq!(accepted, 8);
    assert_eq!(shop.payment(&request).await.refunded, eur(40_00));
    assert_eq!(shop.at_sandbox(&request).await, (1, 8));
}

#[sqlx::test(migrations = false)]
async fn what_staff_cannot_mean_is_refused(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let grpc = Grpc::new(shop.app.clone());
    let good = shop.refund(&request, 1_00);

    let early = grpc
        .refund_payment(by_staff(good.clone()))
        .await
        .unwrap_err();
    assert_eq!(reason(&early), "PAYMENT_NOT_CAPTURED");
    let unknown = RefundPaymentRequest {
        order_id: request.account_id.clone(),
        ..good.clone()
    };
    let unknown = grpc.refund_payment(by_staff(unknown)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    shop.drain().await;
    for bad in [
        RefundPaymentRequest {
            request_id: "7".to_owned(),
            ..good.clone()
        },
        RefundPaymentRequest {
            amount: None,
            ..good.clone()
        },
        RefundPaymentRequest {
            amount: Some(eur(0).into()),
            ..good.clone()
        },
        RefundPaymentRequest {
            amount: Some(eur(-1).into()),
            ..good.clone()
        },
        RefundPaymentRequest {
            reason: " ".to_owned(),
            ..good.clone()
        },
    ] {
        let refused = grpc.refund_payment(by_staff(bad)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    assert_eq!(shop.payment(&request).await.refund_requested, eur(0));
}

#[sqlx::test(migrations = false)]
async fn a_payment_shows_its_refunds_and_to_staff_their_reasons(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let grpc = Grpc::new(shop.app.clone());
    let returned = shop.returned(&request, 2_00);
    shop.hear_returned(&returned).await.unwrap();
    shop.clock.advance(std::time::Duration::from_millis(1));
    grpc.refund_payment(by_staff(shop.refund(&request, 1_00)))
        .await
        .unwrap();
    shop.drain().await;

    let ask = GetPaymentRequest {
        order_id: request.order_id.clone(),
    };
    let mut by_customer = by_staff(ask.clone());
    by_customer
        .extensions_mut()
        .insert(svc_kit::caller::Caller {
            account_id: request.account_id.parse().unwrap(),
            ..svc_kit::testing::caller()
        });
    let seen = grpc.get_payment(by_customer).await.unwrap().into_inner();
    assert_eq!(seen.status(), PaymentStatus::PartiallyRefunded);
    assert_eq!(seen.refunded, Some(eur(3_00).into()));
    let shown: Vec<_> = seen
        .refunds
        .iter()
        .map(|refund| (refund.cause(), refund.return_id.as_str(), &*refund.reason))
        .collect();
    assert_eq!(
        shown,
        [
            (RefundCause::OrderReturned, &*returned.return_id, ""),
            (RefundCause::Staff, "", "")
        ]
    );

    let staff = grpc.get_payment(by_staff(ask)).await.unwrap().into_inner();
    assert_eq!(staff.refunds[1].reason, "came late");
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_gets_back_what_is_left(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let grpc = Grpc::new(shop.app.clone());
    grpc.refund_payment(by_staff(shop.refund(&request, 12_00)))
        .await
        .unwrap();

    shop.hear_cancelled(&request).await.unwrap();
    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 2));
    let paid_back: Vec<i64> =
        sqlx::query_scalar("SELECT amount_minor FROM sandbox.refunds ORDER BY amount_minor")
            .fetch_all(&shop.pool)
            .await
            .unwrap();
    assert_eq!(paid_back, [12_00, 30_00]);
}
