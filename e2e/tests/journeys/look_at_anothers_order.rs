//! What is none of one's business.

use e2e::{journey, shop::Shop, wire::Protocol};
use proto::souk::{
    order::v1::{CancelOrderRequest, GetOrderRequest, WatchOrderRequest},
    payment::v1::GetPaymentRequest,
};
use tonic::Code;

#[test]
fn another_customers_order_is_not_found() {
    journey(async {
        let shop = Shop::shared().await;
        let product = shop
            .staff(Protocol::Grpc)
            .await
            .sells("Tent with thin walls", 5)
            .await;
        let (owner, other) = (
            shop.customer(Protocol::GrpcWeb).await,
            shop.customer(Protocol::GrpcWeb).await,
        );
        let id = owner.orders_one(&product.id, "tok_ok").await.unwrap().id;

        let get = other
            .orders()
            .get_order(GetOrderRequest { id: id.clone() })
            .await;
        assert_eq!(get.unwrap_err().code(), Code::NotFound);
        let cancel = other
            .orders()
            .cancel_order(CancelOrderRequest { id: id.clone() })
            .await;
        assert_eq!(cancel.unwrap_err().code(), Code::NotFound);
        let watch = match other
            .orders()
            .watch_order(WatchOrderRequest { id: id.clone() })
            .await
        {
            Ok(stream) => stream.into_inner().message().await.map(drop),
            Err(status) => Err(status),
        };
        assert_eq!(watch.unwrap_err().code(), Code::NotFound);
        let payment = other
            .payments()
            .get_payment(GetPaymentRequest { order_id: id })
            .await;
        assert_eq!(payment.unwrap_err().code(), Code::NotFound);
    });
}
