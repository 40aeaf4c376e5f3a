use proto::souk::payment::v1::{
    GetPaymentRequest, LookUpPaymentRequest, PaymentStatus, payment_service_server::PaymentService,
};
use sqlx::PgPool;
use svc_kit::{caller::Caller, testing};
use svc_payment::grpc::Grpc;
use tonic::{Code, Request};

use crate::harness::{Harness, eur};

fn ask(order_id: &str, caller: &Caller) -> Request<GetPaymentRequest> {
    let mut request = Request::new(GetPaymentRequest {
        order_id: order_id.to_owned(),
    });
    request.extensions_mut().insert(caller.clone());
    request
}

#[sqlx::test(migrations = false)]
async fn a_customer_sees_their_own_payment_and_nobody_elses(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    shop.drain().await;
    let owner = Caller {
        account_id: request.account_id.parse().unwrap(),
        ..testing::caller()
    };
    let grpc = Grpc::new(shop.app.clone());

    let own = grpc
        .get_payment(ask(&request.order_id, &owner))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(own.status(), PaymentStatus::Captured);
    assert_eq!(own.id, request.payment_id);
    assert_eq!(own.amount, Some(eur(42_00).into()));

    let others = grpc
        .get_payment(ask(&request.order_id, &testing::caller()))
        .await
        .unwrap_err();
    assert_eq!(others.code(), Code::NotFound);
    let garbage = grpc.get_payment(ask("7", &owner)).await.unwrap_err();
    assert_eq!(garbage.code(), Code::InvalidArgument);
}

#[sqlx::test(migrations = false)]
async fn the_mesh_looks_up_any_payment(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_declined").await;
    shop.drain().await;
    let grpc = Grpc::new(shop.app.clone());
    let look_up = |order_id: &str| {
        grpc.look_up_payment(Request::new(LookUpPaymentRequest {
            order_id: order_id.to_owned(),
        }))
    };

    let found = look_up(&request.order_id).await.unwrap().into_inner();
    assert_eq!(found.status(), PaymentStatus::Failed);
    assert_eq!(found.failure_reason, "PAYMENT_DECLINED");

    let missing = look_up(&request.payment_id).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}
