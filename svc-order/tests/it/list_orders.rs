//! Listing orders.

use std::time::Duration;

use sqlx::PgPool;
use svc_kit::testing;
use svc_order::list_orders::{ListOrders, list_orders};

use crate::support::Shop;

#[sqlx::test(migrations = false)]
async fn pages_are_newest_first_and_complete(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(shop.given_pending().await);
        shop.app.clock.advance(Duration::from_secs(1));
    }
    placed.reverse();

    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let query = ListOrders {
            page_size: 2,
            after,
        };
        let page = list_orders(&shop.app, &shop.customer, query).await.unwrap();
        found.extend(page.orders);
        after = page.next;
        if after.is_none() {
            break;
        }
    }

    assert_eq!(found, placed);
}

#[sqlx::test(migrations = false)]
async fn a_full_last_page_has_no_next(pool: PgPool) {
    let shop = Shop::new(pool).await;
    shop.given_pending().await;
    let query = ListOrders {
        page_size: 1,
        after: None,
    };
    let page = list_orders(&shop.app, &shop.customer, query).await.unwrap();
    assert_eq!((page.orders.len(), page.next), (1, None));
}

#[sqlx::test(migrations = false)]
async fn orders_of_others_are_not_listed(pool: PgPool) {
    let shop = Shop::new(pool).await;
    shop.given_pending().await;
    let query = ListOrders {
        page_size: 20,
        after: None,
    };
    let page = list_orders(&shop.app, &testing::caller(), query)
        .await
        .unwrap();
    assert!(page.orders.is_empty());
}
