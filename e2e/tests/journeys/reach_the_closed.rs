//! Doors that the edge does not have.

use e2e::{
    journey,
    person::signed_in,
    shop::Shop,
    wire::{PROTOCOLS, Protocol},
};
use proto::souk::{
    catalog::v1::{AdjustStockRequest, catalog_service_client::CatalogServiceClient},
    payment::v1::{LookUpPaymentRequest, payment_service_client::PaymentServiceClient},
};
use tonic::Code;

#[test]
fn a_method_without_a_policy_is_unimplemented_even_for_staff() {
    journey(async {
        let shop = Shop::shared().await;
        for protocol in PROTOCOLS {
            let request = LookUpPaymentRequest {
                order_id: uuid::Uuid::new_v4().to_string(),
            };
            let nobody = PaymentServiceClient::new(shop.wire(protocol))
                .look_up_payment(request.clone())
                .await;
            assert_eq!(
                nobody.unwrap_err().code(),
                Code::Unimplemented,
                "{protocol:?}"
            );
            let staff = shop
                .staff(protocol)
                .await
                .payments()
                .look_up_payment(request)
                .await;
            assert_eq!(
                staff.unwrap_err().code(),
                Code::Unimplemented,
                "{protocol:?}"
            );
        }
    });
}

#[test]
fn what_staff_does_is_forbidden_to_customers() {
    journey(async {
        let shop = Shop::shared().await;
        let product = shop
            .staff(Protocol::Grpc)
            .await
            .sells("Tent behind glass", 5)
            .await;
        let customer = shop.customer(Protocol::GrpcWeb).await;
        let request = AdjustStockRequest {
            product_id: product.id,
            delta: 1000,
            request_id: uuid::Uuid::new_v4().to_string(),
            reason: "because".to_owned(),
        };
        let refusal = customer
            .catalog()
            .adjust_stock(request.clone())
            .await
            .unwrap_err();
        assert_eq!(refusal.code(), Code::PermissionDenied);
        let wire = signed_in(shop.wire(Protocol::Grpc), "");
        let refusal = CatalogServiceClient::new(wire)
            .adjust_stock(request)
            .await
            .unwrap_err();
        assert_eq!(refusal.code(), Code::Unauthenticated);
    });
}
