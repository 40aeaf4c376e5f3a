//! Money that goes back.

use e2e::{
    journey,
    money::{cash, nanos, sum},
    shop::Shop,
    wait,
    wire::Protocol,
};
use proto::souk::{
    order::v1::{CancelOrderRequest, OrderStatus},
    payment::v1::PaymentStatus,
};

/// What the sandbox keeps of 42.50, in billionths.
const FEE: i128 = 850_000_000;

#[test]
fn a_confirmed_order_that_is_cancelled_is_refunded_and_the_books_balance() {
    journey(async {
        let shop = Shop::shared().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent of regret", 5).await;
        let customer = shop.customer(Protocol::GrpcWeb).await;

        let placed = customer.orders_one(&product.id, "tok_ok").await.unwrap();
        customer.sees(&placed.id, OrderStatus::Confirmed).await;
        let paid = staff.ledger(&placed.id).await;
        assert_eq!(sum(&paid), 0);
        assert_eq!(cash(&paid), nanos(placed.total.as_ref()) - FEE);

        customer
            .orders()
            .cancel_order(CancelOrderRequest {
                id: placed.id.clone(),
            })
            .await
            .unwrap();
        wait::eventually("the refund", async || {
            let order = customer.order(&placed.id).await;
            (order.status() == OrderStatus::Cancelled && order.refunded).then_some(())
        })
        .await;
        assert_eq!(
            customer.payment(&placed.id).await.unwrap().status(),
            PaymentStatus::Refunded
        );
        let refunded = staff.ledger(&placed.id).await;
        assert_eq!(sum(&refunded), 0);
        assert_eq!(cash(&refunded), -FEE, "the provider keeps its fee");
        wait::eventually("the stock to be back", async || {
            let stock = staff.stock(&product.id).await;
            ((stock.on_hand, stock.reserved) == (5, 0)).then_some(())
        })
        .await;
        assert_eq!(sum(&staff.ledger("").await), 0);
    });
}
