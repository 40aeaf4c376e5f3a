//! Parts that stop while customers order. Each journey breaks a shop of its
//! own.

use std::time::Duration;

use e2e::{journey, person::order_of, shop::Shop, wait, wire::Protocol};
use futures::future;
use proto::souk::order::v1::OrderStatus;
use souk::stack::Process;
use tokio::time::sleep;

/// How long a shop may take to catch up after an outage on a busy machine.
const RECOVERY: Duration = Duration::from_secs(90);

/// How long NATS is away.
const OUTAGE: Duration = Duration::from_secs(10);

/// The pause between two orders of a customer.
const PACE: Duration = Duration::from_millis(200);

#[test]
fn an_order_placed_while_payment_is_stopped_completes_when_it_is_back() {
    journey(async {
        let shop = Shop::open().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent of patience", 5).await;
        let customer = shop.customer(Protocol::GrpcWeb).await;

        shop.stack.stop(Process::Payment).await.unwrap();
        let placed = customer.orders_one(&product.id, "tok_ok").await.unwrap();
        customer.sees(&placed.id, OrderStatus::Reserved).await;
        shop.stack.start_again(Process::Payment).await.unwrap();

        customer
            .sees_within(RECOVERY, &placed.id, OrderStatus::Confirmed)
            .await;
    });
}

#[test]
fn nothing_is_lost_while_nats_is_away_under_load() {
    journey(async {
        const ORDERS: usize = 60;
        let shop = Shop::open().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent in the storm", 1000).await;
        let customer = shop.customer(Protocol::Grpc).await;

        // Orders go on for the ten seconds in which nobody hears of them.
        let load = async {
            let mut answered = Vec::new();
            for _ in 0..ORDERS {
                if let Ok(order) = customer.places(order_of(&product.id, "tok_ok")).await {
                    answered.push(order.id);
                }
                sleep(PACE).await;
            }
            answered
        };
        let outage = async {
            shop.stack.kill(Process::Nats).await.unwrap();
            sleep(OUTAGE).await;
            shop.stack.start_again(Process::Nats).await.unwrap();
        };
        let (answered, ()) = future::join(load, outage).await;

        assert_eq!(
            answered.len(),
            ORDERS,
            "orders are taken while NATS is away"
        );
        for id in &answered {
            customer
                .sees_within(RECOVERY, id, OrderStatus::Confirmed)
                .await;
        }
        let sold = i64::try_from(answered.len()).unwrap();
        wait::within(RECOVERY, "the stock to be committed", async || {
            let stock = staff.stock(&product.id).await;
            ((stock.on_hand, stock.reserved) == (1000 - sold, 0)).then_some(())
        })
        .await;
        let mails = || shop.mails_to(&customer.email, "onfirmed");
        wait::within(RECOVERY, "the mails", async || {
            (mails() >= answered.len()).then_some(())
        })
        .await;
        assert_eq!(mails(), answered.len(), "one mail for each order");
    });
}
