//! A card that is declined.

use e2e::{journey, shop::Shop, wait, wire::Protocol};
use proto::souk::order::v1::OrderStatus;

#[test]
fn a_declined_card_cancels_the_order_releases_the_stock_and_says_why() {
    journey(async {
        let shop = Shop::shared().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent with a view", 3).await;
        let customer = shop.customer(Protocol::GrpcWeb).await;

        let placed = customer
            .orders_one(&product.id, "tok_declined")
            .await
            .unwrap();
        let order = customer.sees(&placed.id, OrderStatus::Cancelled).await;
        assert_eq!(order.cancel_reason, "PAYMENT_DECLINED");

        wait::eventually("the stock to be released", async || {
            let stock = staff.stock(&product.id).await;
            ((stock.on_hand, stock.reserved) == (3, 0)).then_some(())
        })
        .await;
        wait::eventually("the mail that says why", async || {
            (shop.mails_to(&customer.email, &placed.id) > 0).then_some(())
        })
        .await;
    });
}

#[test]
fn an_answer_of_the_provider_that_is_lost_is_asked_for_again() {
    journey(async {
        let shop = Shop::shared().await;
        let product = shop
            .staff(Protocol::Grpc)
            .await
            .sells("Tent in the fog", 3)
            .await;
        let customer = shop.customer(Protocol::GrpcWeb).await;

        let placed = customer
            .orders_one(&product.id, "tok_timeout")
            .await
            .unwrap();
        customer.sees(&placed.id, OrderStatus::Confirmed).await;
    });
}
