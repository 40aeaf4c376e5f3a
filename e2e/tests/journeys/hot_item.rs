//! Far more customers than pieces, all at the same moment.

use std::time::Duration;

use e2e::{
    journey,
    money::{nanos, paid, sum},
    person::{Person, order_of},
    shop::Shop,
    wait,
    wire::{PROTOCOLS, Protocol},
};
use futures::{StreamExt as _, future, stream};
use proto::souk::{
    order::v1::{Order, OrderStatus, PlaceOrderRequest},
    payment::v1::PaymentStatus,
};
use tonic::Code;
use tonic_types::StatusExt as _;

/// Who wants one.
const CUSTOMERS: usize = 200;

/// Who gets one.
const PIECES: usize = 10;

/// Passwords take long to hash, on purpose: as many at once as svc-identity
/// hashes.
const REGISTER_AT_ONCE: usize = 4;

/// Orders that are watched at once: two hundred who ask all the time would keep
/// the machine from selling.
const LOOK_AT_ONCE: usize = 8;

/// How long a busy machine may take to sell out.
const RUSH: Duration = Duration::from_mins(2);

#[test]
fn of_two_hundred_customers_exactly_as_many_as_there_are_pieces_get_one() {
    journey(async {
        let shop = Shop::open().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let stock = i64::try_from(PIECES).unwrap();
        let product = staff.sells("The tent of the year", stock).await;
        let customers: Vec<Person> = stream::iter(0..CUSTOMERS)
            .map(|number| registers(&shop, number))
            .buffer_unordered(REGISTER_AT_ONCE)
            .collect()
            .await;

        // Each on a connection of its own.
        let placed = customers
            .iter()
            .map(|customer| places(customer, order_of(&product.id, "tok_ok")));
        let placed = future::join_all(placed).await;
        let settled: Vec<Order> = stream::iter(customers.iter().zip(&placed))
            .map(|(customer, order)| is_settled(customer, &order.id))
            .buffered(LOOK_AT_ONCE)
            .collect()
            .await;

        let (mut got_one, mut told) = (0, 0);
        for (customer, order) in customers.iter().zip(&settled) {
            let payment = customer.payment(&order.id).await;
            let ledger = staff.ledger(&order.id).await;
            if order.status() == OrderStatus::Confirmed {
                got_one += 1;
                let payment = payment.expect("a payment");
                assert_eq!(payment.status(), PaymentStatus::Captured);
                assert_eq!(paid(&ledger), nanos(order.total.as_ref()), "charged once");
            } else {
                told += 1;
                assert_eq!(order.cancel_reason, "STOCK_INSUFFICIENT");
                let refusal = payment.expect_err("nobody else is charged");
                assert_eq!(refusal.code(), Code::NotFound);
                assert_eq!(paid(&ledger), 0);
            }
        }
        assert_eq!((got_one, told), (PIECES, CUSTOMERS - PIECES));

        wait::eventually("the stock to be gone", async || {
            let stock = staff.stock(&product.id).await;
            ((stock.on_hand, stock.reserved) == (0, 0)).then_some(())
        })
        .await;
        let all = staff.ledger("").await;
        assert_eq!(sum(&all), 0);
        let price = nanos(product.price.as_ref());
        assert_eq!(paid(&all), price * i128::from(stock), "ten are paid");
    });
}

async fn registers(shop: &Shop, number: usize) -> Person {
    let email = format!("customer-{number}@example.org");
    wait::eventually("an account", async || {
        let wire = shop.wire(PROTOCOLS[number % PROTOCOLS.len()]);
        Person::register_or_log_in(wire, &email).await.ok()
    })
    .await
}

/// Orders; who is told to come back comes back with the same request.
async fn places(customer: &Person, request: PlaceOrderRequest) -> Order {
    wait::within(RUSH, "an order", async || {
        match customer.places(request.clone()).await {
            Ok(order) => Some(order),
            Err(status) if status.get_error_details().retry_info().is_some() => None,
            Err(status) => panic!("everybody is answered: {status}"),
        }
    })
    .await
}

async fn is_settled(customer: &Person, id: &str) -> Order {
    wait::within(RUSH, format!("order {id} to end"), async || {
        let order = customer.try_order(id).await.ok()?;
        matches!(
            order.status(),
            OrderStatus::Confirmed | OrderStatus::Cancelled
        )
        .then_some(order)
    })
    .await
}
