//! The main journey, as a browser makes it and as an SDK makes it.

use e2e::{
    journey,
    person::address,
    shop::Shop,
    wait,
    wire::{PROTOCOLS, Protocol},
};
use proto::souk::{
    catalog::v1::{GetProductRequest, SearchProductsRequest},
    order::v1::{
        GetCartRequest, Order, OrderStatus, PlaceOrderRequest, SetCartItemRequest,
        WatchOrderRequest,
    },
};
use uuid::Uuid;

#[test]
fn a_customer_finds_a_backpack_and_buys_it() {
    journey(async {
        let shop = Shop::shared().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let backpack = staff.sells("Adventure Expedition Backpack", 100).await;
        staff.sells("Expedition Notebook", 100).await;
        staff.sells("City Backpack", 100).await;
        for protocol in PROTOCOLS {
            buys(shop, protocol, &backpack.id).await;
        }
    });
}

async fn buys(shop: &Shop, protocol: Protocol, backpack: &str) {
    let customer = shop.customer(protocol).await;

    wait::eventually(
        "the backpack to be found in spite of the typing error",
        async || {
            let request = SearchProductsRequest {
                query: "expedition bakpack".to_owned(),
                page_size: 3,
                ..Default::default()
            };
            let found = customer
                .catalog()
                .search_products(request)
                .await
                .ok()?
                .into_inner()
                .products;
            found
                .iter()
                .any(|product| product.id == backpack)
                .then_some(())
        },
    )
    .await;

    // The page is read twice; the second time it comes from the edge.
    let page = GetProductRequest {
        id: backpack.to_owned(),
    };
    customer.catalog().get_product(page.clone()).await.unwrap();
    wait::eventually("the page to come from the edge's cache", async || {
        let answer = customer.catalog().get_product(page.clone()).await.unwrap();
        assert_eq!(answer.get_ref().title, "Adventure Expedition Backpack");
        let status = answer
            .metadata()
            .get("cache-status")?
            .to_str()
            .ok()?
            .to_owned();
        status.contains("hit").then_some(())
    })
    .await;

    let item = SetCartItemRequest {
        product_id: backpack.to_owned(),
        quantity: 2,
        expected_version: 0,
    };
    let cart = customer
        .orders()
        .set_cart_item(item)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        cart.total.as_ref().map(|total| (total.units, total.nanos)),
        Some((85, 0))
    );

    let place = PlaceOrderRequest {
        request_id: Uuid::new_v4().to_string(),
        items: Vec::new(),
        shipping_address: Some(address()),
        payment_token: "tok_ok".to_owned(),
        expected_total: cart.total,
        billing_country: String::new(),
    };
    let placed = customer.places(place).await.unwrap();
    assert_eq!(placed.status(), OrderStatus::Pending);

    let mut stream = customer
        .orders()
        .watch_order(WatchOrderRequest {
            id: placed.id.clone(),
        })
        .await
        .unwrap()
        .into_inner();
    let watch = async {
        loop {
            let order: Order = stream
                .message()
                .await
                .unwrap()
                .expect("the stream goes on")
                .order
                .unwrap();
            if order.status() == OrderStatus::Confirmed {
                return order;
            }
        }
    };
    let confirmed = tokio::time::timeout(wait::PATIENCE, watch)
        .await
        .expect("the order is confirmed");
    assert_eq!(confirmed.lines[0].quantity, 2);

    let cart = customer
        .orders()
        .get_cart(GetCartRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(cart.items.is_empty(), "what was ordered has left the cart");
    wait::eventually("the mail", async || {
        (shop.mails_to(&customer.email, &placed.id) == 1).then_some(())
    })
    .await;
    wait::eventually("the welcome", async || {
        (shop.mails_to(&customer.email, "elcome") == 1).then_some(())
    })
    .await;
}
