//! The same request more than once.

use e2e::{journey, person::order_of, shop::Shop, wire::Protocol};
use futures::future;
use proto::souk::order::v1::ListOrdersRequest;
use tonic::Code;
use tonic_types::StatusExt as _;

#[test]
fn the_same_request_many_times_at_once_is_one_order() {
    journey(async {
        let shop = Shop::shared().await;
        let product = shop
            .staff(Protocol::Grpc)
            .await
            .sells("Tent for the impatient", 100)
            .await;
        let customer = shop.customer(Protocol::Grpc).await;
        let request = order_of(&product.id, "tok_ok");

        let answers = future::join_all((0..20).map(|_| customer.places(request.clone()))).await;
        let first = answers[0].as_ref().unwrap();
        for answer in &answers {
            assert_eq!(answer.as_ref().unwrap().id, first.id);
        }
        let orders = customer
            .orders()
            .list_orders(ListOrdersRequest::default())
            .await
            .unwrap()
            .into_inner()
            .orders;
        assert_eq!(orders.len(), 1);
    });
}

#[test]
fn a_request_id_is_good_for_one_request() {
    journey(async {
        let shop = Shop::shared().await;
        let product = shop
            .staff(Protocol::Grpc)
            .await
            .sells("Tent for the absent-minded", 100)
            .await;
        let customer = shop.customer(Protocol::GrpcWeb).await;
        let mut request = order_of(&product.id, "tok_ok");

        customer.places(request.clone()).await.unwrap();
        request.items[0].quantity = 2;
        let refusal = customer.places(request).await.unwrap_err();
        assert_eq!(refusal.code(), Code::FailedPrecondition);
        assert_eq!(
            refusal.get_error_details().error_info().unwrap().reason,
            "REQUEST_ID_REUSED"
        );
    });
}
