//! Parts that stop while customers order. Each journey breaks a shop of its
//! own.

use std::time::Duration;

use e2e::{journey, person::order_of, shop::Shop, wait, wire::Protocol};
use proto::souk::order::v1::OrderStatus;
use souk::stack::Process;
use tokio::time::{Instant, sleep};

/// How long a shop may take to catch up after an outage on a busy machine.
const RECOVERY: Duration = Duration::from_secs(90);

#[test]
fn an_order_placed_while_payment_is_stopped_completes_when_it_is_back() {
    journey(async {
        let mut shop = Shop::open().await;
        let product = shop.staff(Protocol::Grpc).await.sells("Tent of patience", 5).await;
        let customer = shop.customer(Protocol::GrpcWeb).await;

        shop.stack.stop(Process::Payment).await.unwrap();
        let placed = customer.orders_one(&product.id, "tok_ok").await.unwrap();
        customer.sees(&placed.id, OrderStatus::Reserved).await;
        shop.stack.start_again(Process::Payment).await.unwrap();

        customer.sees_within(RECOVERY, &placed.id, OrderStatus::Confirmed).await;
    });
}

#[test]
fn nothing_is_lost_while_nats_is_away_under_load() {
    journey(async {
        const ORDERS: usize = 60;
        let mut shop = Shop::open().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent in the storm", 1000).await;
        let customer = shop.customer(Protocol::Grpc).await;

        // Orders go on for the ten seconds in which nobody hears of them.
        let buyer = customer.clone();
        let product_id = product.id.clone();
        let load = tokio::spawn(async move {
            let mut answered = Vec::new();
            for _ in 0..ORDERS {
                if let Ok(order) = buyer.places(order_of(&product_id, "tok_ok")).await {
                    answered.push(order.id);
                }
                sleep(Duration::from_millis(200)).await; // the pace of the customers
            }
            answered
        });
        let away = Instant::now();
        shop.stack.kill(Process::Nats).await.unwrap();
        sleep(Duration::from_secs(10).saturating_sub(away.elapsed())).await; // the outage
        shop.stack.start_again(Process::Nats).await.unwrap();
        let answered = load.await.unwrap();

        assert_eq!(answered.len(), ORDERS, "orders are taken while NATS is away");
        for id in &answered {
            customer.sees_within(RECOVERY, id, OrderStatus::Confirmed).await;
        }
        let sold = i64::try_from(answered.len()).unwrap();
        wait::within(RECOVERY, "the stock to be committed", async || {
            let stock = staff.stock(&product.id).await;
            ((stock.on_hand, stock.reserved) == (1000 - sold, 0)).then_some(())
        })
        .await;
        let mails = async || shop.mails_to(&customer.email, "onfirmed");
        wait::within(RECOVERY, "the mails", async || (mails().await >= answered.len()).then_some(())).await;
        assert_eq!(mails().await, answered.len(), "one mail for each order");
    });
}
