//! A price that changes while people look at it.

use std::time::Duration;

use e2e::{journey, shop::Shop, wait, wire::Protocol};
use proto::souk::{
    catalog::v1::{GetProductRequest, Product, UpdateProductRequest},
    r#type::v1::Money,
};

#[test]
fn a_new_price_is_on_the_page_within_a_second() {
    journey(async {
        let shop = Shop::shared().await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent on sale", 5).await;
        let customer = shop.customer(Protocol::GrpcWeb).await;
        let page = async || {
            let request = GetProductRequest {
                id: product.id.clone(),
            };
            customer.catalog().get_product(request).await.unwrap()
        };
        wait::eventually("the page to be cached", async || {
            page()
                .await
                .metadata()
                .get("cache-status")?
                .to_str()
                .ok()?
                .contains("hit")
                .then_some(())
        })
        .await;

        let price = Money {
            currency_code: "USD".to_owned(),
            units: 39,
            nanos: 990_000_000,
        };
        let request = UpdateProductRequest {
            product: Some(Product {
                id: product.id.clone(),
                price: Some(price.clone()),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["price".to_owned()],
            }),
        };
        staff.catalog().update_product(request).await.unwrap();
        // A second is the promise; the machine that runs this may be busy.
        wait::within(Duration::from_secs(5), "the new price", async || {
            (page().await.get_ref().price.as_ref() == Some(&price)).then_some(())
        })
        .await;
    });
}
