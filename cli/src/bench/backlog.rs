//! How fast svc-catalog reserves stock for orders that wait for it: a backlog is
//! laid in the stream while it is stopped, and svc-order is stopped while it
//! works.

use chrono::{DateTime, Utc};
use prost::Message as _;
use proto::events::Event as _;
use proto::souk::event::v1::{OrderPlaced, OrderedLine};
use sqlx::Row as _;
use uuid::Uuid;

use super::shop::Shop;
use crate::stack::Process;

/// How many rows are written at once.
const CHUNK: usize = 1000;

/// Reservations per second over a backlog of so many orders of one piece each.
pub(super) async fn drain(shop: &Shop, count: usize, products: &[Uuid]) -> anyhow::Result<f64> {
    shop.stack.stop(Process::Catalog).await?;
    let orders: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    for (number, chunk) in orders.chunks(CHUNK).enumerate() {
        announce(shop, chunk, products, number * CHUNK).await?;
    }
    shop.until("the backlog to be published", || async {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
            .fetch_one(&shop.orders)
            .await?;
        Ok(left == 0)
    })
    .await?;
    // It knows none of these orders.
    shop.stack.stop(Process::Order).await?;
    shop.stack.start_again(Process::Catalog).await?;
    let span = || async {
        let row = sqlx::query(
            "SELECT count(*) AS count, min(create_time) AS first, max(create_time) AS last
             FROM reservations WHERE order_id = ANY($1)",
        )
        .bind(&orders)
        .fetch_one(&shop.catalog)
        .await?;
        anyhow::Ok((
            row.try_get::<i64, _>("count")?,
            row.try_get::<Option<DateTime<Utc>>, _>("first")?,
            row.try_get::<Option<DateTime<Utc>>, _>("last")?,
        ))
    };
    shop.until("the stock to be reserved", || async {
        Ok(usize::try_from(span().await?.0)? == count)
    })
    .await?;
    let (_, first, last) = span().await?;
    shop.stack.start_again(Process::Order).await?;
    let micros = first
        .zip(last)
        .and_then(|(first, last)| (last - first).num_microseconds())
        .unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    Ok(count as f64 * 1e6 / micros.max(1) as f64)
}

async fn announce(
    shop: &Shop,
    orders: &[Uuid],
    products: &[Uuid],
    first: usize,
) -> anyhow::Result<()> {
    let ids: Vec<Uuid> = orders.iter().map(|_| Uuid::new_v4()).collect();
    let aggregates: Vec<String> = orders.iter().map(Uuid::to_string).collect();
    let payloads: Vec<Vec<u8>> = (first..)
        .zip(orders)
        .map(|(number, order)| {
            let placed = OrderPlaced {
                order_id: order.to_string(),
                lines: vec![OrderedLine {
                    product_id: products[number % products.len()].to_string(),
                    quantity: 1,
                }],
                ..OrderPlaced::default()
            };
            placed.encode_to_vec()
        })
        .collect();
    sqlx::query(
        "INSERT INTO outbox (id, subject, type, aggregate_id, payload, create_time)
         SELECT id, $4, $5, aggregate_id, payload, now()
         FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS new (id, aggregate_id, payload)",
    )
    .bind(&ids)
    .bind(&aggregates)
    .bind(&payloads)
    .bind(OrderPlaced::SUBJECT)
    .bind(OrderPlaced::TYPE)
    .execute(&shop.orders)
    .await?;
    Ok(())
}
