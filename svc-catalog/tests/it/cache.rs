//! GetProduct and the cache before it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use proto::souk::catalog::v1 as pb;
use sqlx::{Executor as _, PgPool};
use svc_catalog::{
    app::App,
    cache::ProductCache,
    get_product::get_product,
    jobs::RepairCache,
    product::{Draft, Product},
    store::products,
    update_product::update_product,
};
use svc_kit::{
    error::StoreError,
    job::{Job as _, Progress},
    redis::RedisConfig,
};
use tokio::sync::Notify;
use tonic::Code;

use crate::harness::{Shop, assert_refused, eur, id, new_id};

async fn price(app: &App, product: &pb::Product) -> i64 {
    get_product(app, id(product))
        .await
        .unwrap()
        .details
        .price
        .minor
}

async fn set_price(app: &App, product: &pb::Product, minor: i64) {
    let product = pb::Product {
        price: Some(eur(minor)),
        etag: String::new(),
        ..product.clone()
    };
    update_product(app, Draft::from(product), &["price".to_owned()])
        .await
        .unwrap();
}

/// A cache whose Redis does not answer.
async fn nowhere(shop: &Shop) -> App {
    let config = RedisConfig {
        url: "redis://127.0.0.1:1".to_owned().into(),
    };
    let pool = svc_kit::redis::connect(&config).await.unwrap();
    App {
        cache: ProductCache::new(pool, &shop.cache_prefix),
        ..shop.app.clone()
    }
}

#[sqlx::test(migrations = false)]
async fn an_unknown_product_is_not_found(pool: PgPool) {
    let shop = Shop::open(pool).await;
    assert_refused(
        shop.get(&new_id().to_string()).await,
        Code::NotFound,
        "PRODUCT_NOT_FOUND",
    );
    assert_refused(
        shop.get("tent").await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
}

#[sqlx::test(migrations = false)]
async fn a_second_look_does_not_ask_the_database(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let replica = shop.replica().await;
    assert_eq!(price(&shop.app, &tent).await, 12_999);
    // Nobody is told of this.
    shop.app
        .db
        .writer()
        .execute("UPDATE products SET price_minor = 1")
        .await
        .unwrap();
    assert_eq!(price(&shop.app, &tent).await, 12_999, "from memory");
    assert_eq!(price(&replica, &tent).await, 12_999, "from Redis");
}

#[sqlx::test(migrations = false)]
async fn a_change_is_seen_at_once_in_every_replica(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let replicas = [shop.app.clone(), shop.replica().await, shop.replica().await];
    for round in 0_usize..30 {
        for replica in &replicas {
            price(replica, &tent).await; // all remember the old one
        }
        let minor = i64::try_from(round).unwrap();
        set_price(&replicas[round % 3], &tent, minor).await;
        for replica in &replicas {
            assert_eq!(price(replica, &tent).await, minor);
        }
    }
}

#[sqlx::test(migrations = false)]
async fn no_reader_sees_an_older_price_after_a_newer_one_was_committed(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    set_price(&shop.app, &tent, 0).await;
    let committed = Arc::new(AtomicUsize::new(0));
    let mut readers = Vec::new();
    for _ in 0..4 {
        let (replica, tent, committed) = (shop.replica().await, tent.clone(), committed.clone());
        readers.push(tokio::spawn(async move {
            let mut reads = 0;
            while committed.load(Ordering::SeqCst) < 40 {
                let known = committed.load(Ordering::SeqCst);
                let seen = usize::try_from(price(&replica, &tent).await).unwrap();
                assert!(seen >= known, "saw {seen} after {known} was committed");
                reads += 1;
            }
            reads
        }));
    }
    for minor in 1..=40 {
        set_price(&shop.app, &tent, i64::try_from(minor).unwrap()).await;
        committed.store(minor, Ordering::SeqCst);
    }
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

#[sqlx::test(migrations = false)]
async fn a_slow_reader_does_not_bring_an_old_product_back(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let (has_read, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = shop.replica().await;
    let reader = tokio::spawn({
        let (has_read, go_on, id) = (has_read.clone(), go_on.clone(), id(&tent));
        async move {
            let load = || async {
                let product = products::get(slow.db.writer(), id).await;
                has_read.notify_one();
                go_on.notified().await;
                product
            };
            slow.cache.get(id, load).await.unwrap().unwrap()
        }
    });
    has_read.notified().await;
    set_price(&shop.app, &tent, 1).await;
    go_on.notify_one();
    assert_eq!(
        reader.await.unwrap().details.price.minor,
        12_999,
        "it asked before the change"
    );
    assert_eq!(price(&shop.replica().await, &tent).await, 1);
}

#[sqlx::test(migrations = false)]
async fn a_crowd_asks_the_database_once_or_twice(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let loads = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..200 {
        let (app, loads, id) = (shop.app.clone(), loads.clone(), id(&tent));
        tasks.push(tokio::spawn(async move {
            let load = || async {
                loads.fetch_add(1, Ordering::SeqCst);
                products::get(app.db.writer(), id).await
            };
            app.cache.get(id, load).await.unwrap().unwrap()
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(loads.load(Ordering::SeqCst) <= 2);
}

#[sqlx::test(migrations = false)]
async fn a_failed_look_up_is_not_shared(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let fails = || async {
        Err::<Option<Product>, _>(StoreError::Corrupt {
            table: "products",
            why: String::new(),
        })
    };
    assert!(shop.app.cache.get(id(&tent), fails).await.is_err());
    assert_eq!(price(&shop.app, &tent).await, 12_999);
}

#[sqlx::test(migrations = false)]
async fn without_redis_products_come_from_the_database(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let app = nowhere(&shop).await;
    let begun = Instant::now();
    for minor in 0..20 {
        set_price(&app, &tent, minor).await;
        assert_eq!(price(&app, &tent).await, minor);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "nobody waits for it each time"
    );
}

#[sqlx::test(migrations = false)]
async fn what_redis_missed_is_made_up_for_and_announced_again(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    price(&shop.app, &tent).await; // Redis has it
    shop.forget_events().await;
    set_price(&nowhere(&shop).await, &tent, 1).await;
    assert_eq!(shop.count("cache_repairs").await, 1);

    let blind = RepairCache {
        app: nowhere(&shop).await,
    };
    assert!(blind.step().await.is_err());
    assert_eq!(shop.count("cache_repairs").await, 1);

    let job = RepairCache {
        app: shop.app.clone(),
    };
    assert_eq!(job.step().await.unwrap(), Progress::More);
    assert_eq!(job.step().await.unwrap(), Progress::Idle);
    assert_eq!(price(&shop.app, &tent).await, 1);
    let versions: Vec<i64> = shop
        .product_changes()
        .await
        .iter()
        .map(|c| c.version)
        .collect();
    assert_eq!(
        versions,
        [2, 2],
        "once with the change, once with the repair"
    );
}

#[sqlx::test(migrations = false)]
async fn a_change_that_was_rolled_back_leaves_the_product_as_it_is(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    price(&shop.app, &tent).await;
    shop.app.cache.fence(&[(id(&tent), 2)]).await.unwrap(); // … and no commit
    for _ in 0..3 {
        assert_eq!(price(&shop.app, &tent).await, 12_999);
    }
    set_price(&shop.app, &tent, 5).await;
    assert_eq!(price(&shop.replica().await, &tent).await, 5);
}
