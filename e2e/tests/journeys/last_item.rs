//! More customers than pieces.

use e2e::{journey, shop::Shop, wait, wire::Protocol};
use futures::future;
use proto::souk::order::v1::{Order, OrderStatus};

#[test]
fn an_order_of_what_is_not_there_is_cancelled() {
    journey(async {
        let shop = Shop::shared().await;
        let product = shop
            .staff(Protocol::Grpc)
            .await
            .sells("Tent that is gone", 0)
            .await;
        let customer = shop.customer(Protocol::GrpcWeb).await;

        let placed = customer.orders_one(&product.id, "tok_ok").await.unwrap();
        let order = customer.sees(&placed.id, OrderStatus::Cancelled).await;
        assert_eq!(order.cancel_reason, "STOCK_INSUFFICIENT");
        assert!(
            customer
                .payment(&placed.id)
                .await
                .map_or(true, |payment| payment.failure_reason.is_empty())
        );
    });
}

#[test]
fn of_two_customers_exactly_one_gets_the_last_item() {
    journey(async {
        let shop = Shop::shared().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("The last tent", 1).await;
        let (one, two) = future::join(
            shop.customer(Protocol::GrpcWeb),
            shop.customer(Protocol::Grpc),
        )
        .await;

        let (first, second) = future::join(
            one.orders_one(&product.id, "tok_ok"),
            two.orders_one(&product.id, "tok_ok"),
        )
        .await;
        let (first, second) = (first.unwrap(), second.unwrap());

        let settled = |order: Order| {
            matches!(
                order.status(),
                OrderStatus::Confirmed | OrderStatus::Cancelled
            )
            .then_some(order.status())
        };
        let first = wait::eventually("the first order", async || {
            settled(one.order(&first.id).await)
        })
        .await;
        let second = wait::eventually("the second order", async || {
            settled(two.order(&second.id).await)
        })
        .await;
        assert_ne!(first, second, "one gets it, the other does not");

        wait::eventually("the stock to be gone", async || {
            let stock = staff.stock(&product.id).await;
            ((stock.on_hand, stock.reserved) == (0, 0)).then_some(())
        })
        .await;
    });
}
