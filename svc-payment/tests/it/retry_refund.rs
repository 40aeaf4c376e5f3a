use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use proto::souk::payment::v1::{
    ListRefundsRequest, RefundStatus, RetryRefundRequest,
    payment_service_server::PaymentService as _,
};
use sqlx::PgPool;
use svc_payment::{grpc::Grpc, payment::Status, provider::Refunded};
use tonic::Code;
use uuid::Uuid;

use crate::{
    double::Double,
    harness::{Harness, by_staff, eur, reason},
};

fn retry(id: &str) -> tonic::Request<RetryRefundRequest> {
    by_staff(RetryRefundRequest { id: id.to_owned() })
}

#[sqlx::test(migrations = false)]
async fn a_refused_refund_waits_until_staff_have_it_asked_again(pool: PgPool) {
    let refuses = Arc::new(AtomicBool::new(true));
    let asked = Arc::<AtomicU32>::default();
    let (told, counted) = (Arc::clone(&refuses), Arc::clone(&asked));
    let shop = Harness::with(pool, |double| Double {
        refund: Box::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            told.load(Ordering::SeqCst).then_some(Refunded::Refused)
        }),
        ..double
    })
    .await;
    let grpc = Grpc::new(shop.app.clone());
    let request = shop.captured().await;
    shop.hear_cancelled(&request).await.unwrap();

    shop.settle().await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody asks by themselves");
    assert_eq!(shop.status(&request).await, Status::Captured);
    let refused = grpc
        .list_refunds(by_staff(ListRefundsRequest {
            status: RefundStatus::Refused.into(),
            ..ListRefundsRequest::default()
        }))
        .await
        .unwrap()
        .into_inner()
        .refunds;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].order_id, request.order_id);
    let id = &*refused[0].id;
    // It still counts: nothing else of the payment may be given back meanwhile.
    let more = grpc
        .refund_payment(by_staff(shop.refund(&request, 1)))
        .await
        .unwrap_err();
    assert_eq!(reason(&more), "REFUND_TOO_LARGE");

    let again = grpc.retry_refund(retry(id)).await.unwrap().into_inner();
    assert_eq!(again.status(), RefundStatus::Requested);
    let twice = grpc.retry_refund(retry(id)).await.unwrap().into_inner();
    assert_eq!(twice.status(), RefundStatus::Requested);
    shop.settle().await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    refuses.store(false, Ordering::SeqCst);
    grpc.retry_refund(retry(id)).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.payment(&request).await.refunded, eur(42_00));
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));

    let done = grpc.retry_refund(retry(id)).await.unwrap_err();
    assert_eq!(reason(&done), "REFUND_DONE");
    let unknown = grpc
        .retry_refund(retry(&Uuid::from_u128(7).to_string()))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[sqlx::test(migrations = false)]
async fn refunds_are_listed_newest_first_a_page_at_a_time(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let grpc = Grpc::new(shop.app.clone());
    let request = shop.captured().await;
    let mut made = Vec::new();
    for minor in 1..=5 {
        shop.clock.advance(std::time::Duration::from_millis(1));
        let refund = grpc
            .refund_payment(by_staff(shop.refund(&request, minor)))
            .await
            .unwrap();
        made.insert(0, refund.into_inner().id);
    }

    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = grpc
            .list_refunds(by_staff(ListRefundsRequest {
                page_size: 2,
                page_token,
                ..ListRefundsRequest::default()
            }))
            .await
            .unwrap()
            .into_inner();
        assert!(page.refunds.len() <= 2);
        listed.extend(page.refunds.into_iter().map(|refund| refund.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, made);
}
