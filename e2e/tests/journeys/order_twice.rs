//! The same request more than once.

use e2e::{
    journey,
    person::{Person, order_of},
    shop::Shop,
    wire::{PROTOCOLS, Protocol},
};
use futures::future;
use proto::souk::order::v1::{ListOrdersRequest, Order};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Connections of one impatient customer.
const CONNECTIONS: usize = 50;

/// One customer on many connections of its own each, which are open.
async fn on_many_connections(shop: &Shop, customer: &Person, protocol: Protocol) -> Vec<Person> {
    let open = (0..CONNECTIONS).map(|_| async {
        let person = customer.over(shop.wire(protocol));
        orders_of(&person).await;
        person
    });
    future::join_all(open).await
}

async fn orders_of(customer: &Person) -> Vec<Order> {
    let request = ListOrdersRequest::default();
    let answer = customer.orders().list_orders(request).await;
    answer.unwrap().into_inner().orders
}

fn is_reused(refusal: &Status) -> bool {
    let details = refusal.get_error_details();
    refusal.code() == Code::FailedPrecondition
        && details
            .error_info()
            .is_some_and(|info| info.reason == "REQUEST_ID_REUSED")
}

#[test]
fn the_same_request_on_fifty_connections_at_once_is_one_order() {
    journey(async {
        let shop = Shop::shared().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent for the impatient", 100).await;
        for protocol in PROTOCOLS {
            let customer = shop.customer(protocol).await;
            let connections = on_many_connections(shop, &customer, protocol).await;
            let request = order_of(&product.id, "tok_ok");

            let answers = connections
                .iter()
                .map(|connection| connection.places(request.clone()));
            let answers = future::join_all(answers).await;
            let first = answers[0].as_ref().unwrap();
            for answer in &answers {
                assert_eq!(answer.as_ref().unwrap(), first, "{protocol:?}");
            }
            let orders = orders_of(&customer).await;
            assert_eq!(orders.len(), 1, "{protocol:?}");
            assert_eq!(orders[0].id, first.id);
        }
    });
}

#[test]
fn of_two_requests_with_one_id_at_once_one_is_answered_and_the_other_refused() {
    journey(async {
        let shop = Shop::shared().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent for the undecided", 100).await;
        for protocol in PROTOCOLS {
            let customer = shop.customer(protocol).await;
            let connections = on_many_connections(shop, &customer, protocol).await;
            let one = order_of(&product.id, "tok_ok");
            let mut two = one.clone();
            two.items[0].quantity = 2;

            let answers = connections.iter().enumerate().map(|(number, connection)| {
                let request = if number % 2 == 0 { &one } else { &two };
                connection.places(request.clone())
            });
            let answers = future::join_all(answers).await;
            let orders = orders_of(&customer).await;
            assert_eq!(orders.len(), 1, "{protocol:?}");
            let wins = orders[0].lines[0].quantity;
            for (number, answer) in answers.into_iter().enumerate() {
                let quantity = if number % 2 == 0 { 1 } else { 2 };
                match answer {
                    Ok(order) => {
                        assert_eq!(order.id, orders[0].id, "{protocol:?}");
                        assert_eq!(quantity, wins, "{protocol:?}");
                    }
                    Err(refusal) => {
                        assert!(is_reused(&refusal), "{protocol:?}: {refusal}");
                        assert_ne!(quantity, wins, "{protocol:?}");
                    }
                }
            }
        }
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
        assert!(is_reused(&refusal), "{refusal}");
    });
}
