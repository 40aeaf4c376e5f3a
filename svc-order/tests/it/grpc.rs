//! What callers see: codes, reasons, and the shapes of answers.

use proto::souk::{
    order::v1::{self as pb, order_service_server::OrderService as _},
    r#type::v1::{Address, Money},
};
use sqlx::PgPool;
use svc_kit::caller::Caller;
use svc_order::grpc::OrderGrpc;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::{Shop, eur, uuid};

fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone()
}

fn field(status: &Status) -> String {
    status
        .get_error_details()
        .bad_request()
        .unwrap()
        .field_violations[0]
        .field
        .clone()
}

fn place(product_id: &str) -> pb::PlaceOrderRequest {
    pb::PlaceOrderRequest {
        request_id: uuid().to_string(),
        items: vec![
            pb::OrderItem {
                product_id: product_id.to_owned(),
                quantity: 1,
            },
            pb::OrderItem {
                product_id: product_id.to_owned(),
                quantity: 2,
            },
        ],
        shipping_address: Some(Address {
            recipient: "Ada Lovelace".to_owned(),
            address_lines: vec!["Dorset Street 1".to_owned()],
            locality: "London".to_owned(),
            region_code: "GB".to_owned(),
            ..Address::default()
        }),
        payment_token: "tok_ok".to_owned(),
        expected_total: Some(Money {
            currency_code: "EUR".to_owned(),
            units: 126,
            nanos: 0,
        }),
        billing_country: String::new(),
    }
}

#[sqlx::test(migrations = false)]
async fn an_order_is_placed_and_found(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let grpc = OrderGrpc::new(shop.app.clone());
    let tent = shop.catalog.sell("Tent", eur(42_00)).to_string();
    let request = place(&tent);

    let placed = grpc
        .place_order(by(&shop.customer, request.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(placed.status(), pb::OrderStatus::Pending);
    assert_eq!(placed.lines.len(), 1);
    assert_eq!(placed.lines[0].quantity, 3);
    assert_eq!(placed.total.as_ref().unwrap().units, 126);
    assert_eq!(placed.create_time, placed.update_time);
    let again = grpc
        .place_order(by(&shop.customer, request.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, placed);

    let mut other = request;
    other.payment_token = "tok_declined".to_owned();
    let status = grpc
        .place_order(by(&shop.customer, other))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "REQUEST_ID_REUSED")
    );

    let get = pb::GetOrderRequest {
        id: placed.id.clone(),
    };
    assert_eq!(
        grpc.get_order(by(&shop.customer, get))
            .await
            .unwrap()
            .into_inner(),
        placed
    );
    let list = grpc
        .list_orders(by(&shop.customer, pb::ListOrdersRequest::default()))
        .await;
    assert_eq!(list.unwrap().into_inner().orders, [placed]);
}

#[sqlx::test(migrations = false)]
async fn a_changed_price_is_told_in_the_details(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let grpc = OrderGrpc::new(shop.app.clone());
    let tent = shop.catalog.sell("Tent", eur(43_50)).to_string();
    let status = grpc
        .place_order(by(&shop.customer, place(&tent)))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "PRICE_CHANGED")
    );
    let details = status.get_error_details();
    let told = &details.error_info().unwrap().metadata;
    assert_eq!(
        (told["total_units"].as_str(), told["total_nanos"].as_str()),
        ("130", "500000000")
    );
    assert_eq!(told["total_currency_code"], "EUR");
}

#[sqlx::test(migrations = false)]
async fn what_makes_no_sense_is_named(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let grpc = OrderGrpc::new(shop.app.clone());
    let status = grpc
        .get_order(by(
            &shop.customer,
            pb::GetOrderRequest { id: "7".to_owned() },
        ))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), field(&status).as_str()),
        (Code::InvalidArgument, "id")
    );
    for (quantity, version, expected) in [
        (1000, 0, "quantity"),
        (-1, 0, "quantity"),
        (1, -1, "expected_version"),
    ] {
        let product_id = uuid().to_string();
        let set = pb::SetCartItemRequest {
            product_id,
            quantity,
            expected_version: version,
        };
        let status = grpc
            .set_cart_item(by(&shop.customer, set))
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), field(&status).as_str()),
            (Code::InvalidArgument, expected)
        );
    }
    let ship = pb::ShipOrderRequest {
        id: uuid().to_string(),
        ..pb::ShipOrderRequest::default()
    };
    let status = grpc.ship_order(by(&shop.customer, ship)).await.unwrap_err();
    assert_eq!(field(&status), "carrier");
    let list = pb::ListOrdersRequest {
        page_size: 1,
        page_token: "x".to_owned(),
    };
    let status = grpc
        .list_orders(by(&shop.customer, list))
        .await
        .unwrap_err();
    assert_eq!(field(&status), "page_token");
}

#[sqlx::test(migrations = false)]
async fn a_cart_is_shown_with_its_prices(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let grpc = OrderGrpc::new(shop.app.clone());
    let tent = shop.catalog.sell("Tent", eur(42_00));
    let set = pb::SetCartItemRequest {
        product_id: tent.to_string(),
        quantity: 2,
        expected_version: 0,
    };
    let cart = grpc
        .set_cart_item(by(&shop.customer, set))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cart.items[0].title, "Tent");
    assert_eq!((cart.version, cart.total.unwrap().units), (1, 84));

    shop.catalog.remove(tent);
    let cart = grpc
        .get_cart(by(&shop.customer, pb::GetCartRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert!(cart.items[0].unavailable);
    assert_eq!((cart.total, cart.items[0].unit_price.clone()), (None, None));
}
