//! The tables `orders`, `order_lines` and `order_changes`. Each change of an
//! order is told on [`CHANNEL`] when its transaction commits.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::{error::StoreError, id::AccountId, outbox};
use uuid::Uuid;

use self::row::{LineRow, ORDERED_ONCE, Row};
use crate::{
    cart::CartId,
    list_stuck_checkouts::StuckCheckout,
    order::{Order, OrderId},
};

mod insert;
mod row;
mod save;

/// The channel on which changed orders are told, by their id.
pub const CHANNEL: &str = "souk_order_changed";

/// Selects whole rows of `orders`; the tail says which.
macro_rules! select_orders {
    ($tail:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            "SELECT account_id, id, request_id, request_fingerprint, cart_id, cart_version, status,
                    currency, total_minor, payment_token, payment_id, paid, refunded, refunded_minor,
                    owed_minor, shipping_address, cancel_reason, carrier,
                    tracking_code, announcements, next_check_at, version, created_at, updated_at
             FROM orders " + $tail
            $(, $argument)*
        )
    };
}

/// Inserts new orders with their lines, once for each request id and once for
/// each cart, and announces those that were inserted. Returns them;
/// for the others [`elder`] tells why not. Whoever comes second waits here until
/// the first has committed, and then inserts nothing. It is one statement: it
/// needs no transaction around it.
///
/// # Errors
/// When the database is away.
pub async fn insert_all(
    tx: &mut PgConnection,
    orders: &[Arc<Order>],
    announcements: &outbox::Batch<'_>,
) -> Result<HashSet<OrderId>, StoreError> {
    let columns = insert::Columns::of(orders)?;
    let lines = insert::LineColumns::of(orders);
    let events = announcements.columns();
    let inserted = sqlx::query!(
        r#"WITH placed AS (
             INSERT INTO orders (account_id, id, request_id, request_fingerprint, status, currency,
                                 total_minor, payment_token, shipping_address, next_check_at,
                                 version, created_at, updated_at, cart_id, cart_version)
             SELECT account_id, id, request_id, request_fingerprint, status, currency, total_minor,
                    payment_token, shipping_address, next_check_at, version, created_at,
                    created_at, cart_id, cart_version
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::text[], $6::text[],
                         $7::bigint[], $8::text[], $9::jsonb[], $10::timestamptz[], $11::bigint[],
                         $12::timestamptz[], $13::uuid[], $14::bigint[])
                  AS new (account_id, id, request_id, request_fingerprint, status, currency,
                          total_minor, payment_token, shipping_address, next_check_at, version,
                          created_at, cart_id, cart_version)
             ORDER BY account_id, request_id
             ON CONFLICT DO NOTHING
             RETURNING account_id, id
         ), lined AS (
             INSERT INTO order_lines (account_id, order_id, position, product_id, title, quantity,
                                      unit_price_minor)
             SELECT placed.account_id, placed.id, line.position, line.product_id, line.title,
                    line.quantity, line.unit_price_minor
             FROM placed JOIN
                  unnest($15::uuid[], $16::int[], $17::uuid[], $18::text[], $19::int[], $20::bigint[])
                      AS line (order_id, position, product_id, title, quantity, unit_price_minor)
                  ON line.order_id = placed.id
         )
         SELECT array_agg(id) AS "ids!",
                outbox_put($21, $22, $23, $24, $25, $26, $27, array_agg(id::text)) AS "announced!"
         FROM placed HAVING count(*) > 0"#,
        &columns.accounts,
        &columns.ids,
        &columns.requests,
        &columns.fingerprints as &[&[u8]],
        &columns.statuses as &[&str],
        &columns.currencies as &[&str],
        &columns.totals,
        &columns.tokens as &[Option<&str>],
        &columns.addresses,
        &columns.checks,
        &columns.versions,
        &columns.times,
        &columns.carts as &[Option<Uuid>],
        &columns.cart_versions as &[Option<i64>],
        &lines.orders,
        &lines.positions,
        &lines.products,
        &lines.titles as &[&str],
        &lines.quantities,
        &lines.prices,
        &events.ids,
        &events.subjects as &[&str],
        &events.types as &[&str],
        &events.aggregate_ids as &[&str],
        &events.payloads as &[&[u8]],
        &events.trace_parents as &[Option<&str>],
        &events.create_times,
    )
    .fetch_optional(tx)
    .await?;
    Ok(inserted
        .into_iter()
        .flat_map(|inserted| inserted.ids)
        .map(OrderId)
        .collect())
}

/// Why a new order was not inserted.
#[derive(Debug)]
#[must_use]
pub enum Elder {
    /// Its request had placed this order already.
    SameRequest(Order),
    /// Another request had ordered the same cart: this order.
    SameCart(Order),
}

/// The order that kept a new one from being inserted.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn elder(db: &mut PgConnection, order: &Order) -> Result<Elder, StoreError> {
    // A request that repeats itself is answered as such, though its cart is
    // the same too.
    if let Some(elder) = find_by_request(db, order.account_id, order.request.id).await? {
        return Ok(Elder::SameRequest(elder));
    }
    if let Some(cart) = order.cart
        && let Some(elder) = find_by_cart(db, order.account_id, cart).await?
    {
        return Ok(Elder::SameCart(elder));
    }
    Err(row::corrupt(
        "a request id or a cart is taken by no order".to_owned(),
    ))
}

/// The order that was made of a cart.
async fn find_by_cart(
    db: &mut PgConnection,
    account: AccountId,
    cart: CartId,
) -> Result<Option<Order>, StoreError> {
    let row = select_orders!(
        "WHERE account_id = $1 AND cart_id = $2 AND cart_version = $3",
        account.0,
        cart.0,
        ORDERED_ONCE
    )
    .fetch_optional(&mut *db)
    .await?;
    with_lines(db, row).await
}

/// The order that a request placed.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn find_by_request(
    db: &mut PgConnection,
    account: AccountId,
    request_id: Uuid,
) -> Result<Option<Order>, StoreError> {
    let row = select_orders!(
        "WHERE account_id = $1 AND request_id = $2",
        account.0,
        request_id
    )
    .fetch_optional(&mut *db)
    .await?;
    with_lines(db, row).await
}

/// One order of an account.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn find(
    db: &mut PgConnection,
    account: AccountId,
    id: OrderId,
) -> Result<Option<Order>, StoreError> {
    let row = select_orders!("WHERE account_id = $1 AND id = $2", account.0, id.0)
        .fetch_optional(&mut *db)
        .await?;
    with_lines(db, row).await
}

/// Like [`find`]; its row is held until the transaction ends.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn lock_own(
    tx: &mut PgConnection,
    account: AccountId,
    id: OrderId,
) -> Result<Option<Order>, StoreError> {
    let row = select_orders!(
        "WHERE account_id = $1 AND id = $2 FOR UPDATE",
        account.0,
        id.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    with_lines(tx, row).await
}

/// One order of whomever; its row is held until the transaction ends.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn lock(tx: &mut PgConnection, id: OrderId) -> Result<Option<Order>, StoreError> {
    let row = select_orders!("WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(&mut *tx)
        .await?;
    with_lines(tx, row).await
}

/// Like [`lock`], for several orders. Those that there are not are left out.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn lock_all(
    tx: &mut PgConnection,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Order>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // All batches lock in one order.
    let rows = select_orders!("WHERE id = ANY($1) ORDER BY id FOR UPDATE", &ids)
        .fetch_all(&mut *tx)
        .await?;
    let lines = lines(tx, &rows).await?;
    let orders = whole(rows, lines)?;
    Ok(orders.into_iter().map(|order| (order.id, order)).collect())
}

/// Like [`lock`], but passes over an order that somebody else holds.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn try_lock(tx: &mut PgConnection, id: OrderId) -> Result<Option<Order>, StoreError> {
    let row = select_orders!("WHERE id = $1 FOR UPDATE SKIP LOCKED", id.0)
        .fetch_optional(&mut *tx)
        .await?;
    with_lines(tx, row).await
}

/// Orders of an account before one of them, newest first.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn list(
    db: &mut PgConnection,
    account: AccountId,
    before: Option<OrderId>,
    limit: u32,
) -> Result<Vec<Order>, StoreError> {
    // Ids are made in the order of time, so they are the key of the list too.
    let before = before.map_or(Uuid::max(), |id| id.0);
    let rows = select_orders!(
        "WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        account.0,
        before,
        i64::from(limit)
    )
    .fetch_all(&mut *db)
    .await?;
    let lines = lines(db, &rows).await?;
    whole(rows, lines)
}

/// Some orders, in no order.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn find_all(
    db: &mut PgConnection,
    names: &[(AccountId, OrderId)],
) -> Result<Vec<Order>, StoreError> {
    let (accounts, ids): (Vec<Uuid>, Vec<Uuid>) =
        names.iter().map(|(account, id)| (account.0, id.0)).unzip();
    let rows = select_orders!(
        "WHERE (account_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))",
        &accounts,
        &ids
    )
    .fetch_all(&mut *db)
    .await?;
    let lines = lines(db, &rows).await?;
    whole(rows, lines)
}

/// Rows, each with its own lines.
fn whole(rows: Vec<Row>, mut lines: Vec<LineRow>) -> Result<Vec<Order>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let own = lines
                .extract_if(.., |line| line.order_id == row.id)
                .collect();
            row.into_order(own)
        })
        .collect()
}

/// Writes what became of an order whose row is held, notes it in its history
/// and tells whoever watches.
///
/// # Errors
/// When the database is away.
pub async fn save(tx: &mut PgConnection, order: &Order) -> Result<(), StoreError> {
    save_all(tx, &[order]).await
}

/// Like [`save`], for several orders, each of them once.
///
/// # Errors
/// When the database is away.
pub async fn save_all(tx: &mut PgConnection, orders: &[&Order]) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    let columns = save::Columns::of(orders);
    sqlx::query!(
        r#"WITH new AS (
             SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[],
                                  $7::bool[], $8::bool[], $9::text[], $10::text[], $11::text[],
                                  $12::int[], $13::timestamptz[], $14::bigint[],
                                  $15::timestamptz[], $16::bigint[], $17::bigint[])
                 AS new (account_id, id, status, payment_token, payment_id, paid, refunded,
                         cancel_reason, carrier, tracking_code, announcements, next_check_at,
                         version, updated_at, refunded_minor, owed_minor)
           ), saved AS (
             UPDATE orders
             SET status = new.status, payment_token = new.payment_token,
                 payment_id = new.payment_id, paid = new.paid, refunded = new.refunded,
                 cancel_reason = new.cancel_reason, carrier = new.carrier,
                 tracking_code = new.tracking_code, announcements = new.announcements,
                 next_check_at = new.next_check_at, version = new.version,
                 updated_at = new.updated_at, refunded_minor = new.refunded_minor,
                 owed_minor = new.owed_minor
             FROM new
             WHERE orders.account_id = new.account_id AND orders.id = new.id
             RETURNING orders.account_id, orders.id, orders.version, orders.status, orders.paid,
                       orders.refunded, orders.updated_at
           ), noted AS (
             INSERT INTO order_changes (account_id, order_id, version, status, paid, refunded, changed_at)
             SELECT * FROM saved
           )
           SELECT pg_notify($1, id::text)::text AS "told" FROM saved"#,
        CHANNEL,
        &columns.accounts,
        &columns.ids,
        &columns.statuses as &[&str],
        &columns.tokens as &[Option<&str>],
        &columns.payments as &[Option<Uuid>],
        &columns.paid,
        &columns.refunded,
        &columns.cancel_reasons as &[Option<&str>],
        &columns.carriers as &[Option<&str>],
        &columns.tracking_codes as &[Option<&str>],
        &columns.announcements,
        &columns.checks,
        &columns.versions,
        &columns.times,
        &columns.refunded_minor,
        &columns.owed_minor,
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// Writes how many of its lines came back, of an order whose row is held.
///
/// # Errors
/// When the database is away.
pub async fn save_returned(tx: &mut PgConnection, order: &Order) -> Result<(), StoreError> {
    let (products, returned): (Vec<Uuid>, Vec<i32>) = order
        .lines
        .iter()
        .map(|line| (line.product_id.0, line.returned))
        .unzip();
    sqlx::query!(
        "UPDATE order_lines SET returned_quantity = now.returned_quantity
         FROM unnest($3::uuid[], $4::int[]) AS now (product_id, returned_quantity)
         WHERE account_id = $1 AND order_id = $2 AND order_lines.product_id = now.product_id",
        order.account_id.0,
        order.id.0,
        &products,
        &returned,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes when the reconciler looks at an order next, and that nothing keeps it
/// from being resumed; customers see no change.
///
/// # Errors
/// When the database is away.
pub async fn postpone(tx: &mut PgConnection, order: &Order) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE orders SET announcements = $3, next_check_at = $4, last_error = NULL
         WHERE account_id = $1 AND id = $2",
        order.account_id.0,
        order.id.0,
        row::announcements(order),
        order.next_check_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The longest error that is kept, in characters.
const MAX_ERROR_CHARS: usize = 500;

/// Puts an order that could not be dealt with at the end of the queue, and
/// keeps why; no personal data.
///
/// # Errors
/// When the database is away.
pub async fn set_aside(
    db: &mut PgConnection,
    id: OrderId,
    until: DateTime<Utc>,
    error: &str,
) -> Result<(), StoreError> {
    let error: String = error.chars().take(MAX_ERROR_CHARS).collect();
    sqlx::query!(
        "UPDATE orders SET next_check_at = $2, last_error = $3 WHERE id = $1",
        id.0,
        until,
        error,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Unfinished orders that are to be looked at, the most overdue first.
///
/// # Errors
/// When the database is away.
pub async fn due(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<OrderId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM orders
         WHERE status IN ('pending', 'reserved') AND next_check_at <= $1
         ORDER BY next_check_at LIMIT $2",
        now,
        i64::from(limit)
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(OrderId).collect())
}

/// Unfinished orders that are old enough, after one of them, oldest first.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn stuck(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    min_age: Duration,
    after: Option<OrderId>,
    limit: u32,
) -> Result<Vec<StuckCheckout>, StoreError> {
    let rows = sqlx::query!(
        "SELECT account_id, id, status, created_at, announcements, next_check_at, last_error
         FROM orders
         WHERE status IN ('pending', 'reserved') AND created_at <= $1
           AND ($2::uuid IS NULL OR id > $2)
         ORDER BY id LIMIT $3",
        now - min_age,
        after.map(|id| id.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StuckCheckout {
                order_id: OrderId(row.id),
                account_id: AccountId(row.account_id),
                status: row.status.parse().map_err(row::corrupt)?,
                created_at: row.created_at,
                age: (now - row.created_at).to_std().unwrap_or_default(),
                announcements: row.announcements,
                next_check_at: row.next_check_at,
                last_error: row.last_error,
            })
        })
        .collect()
}

/// How many orders are unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    /// So many.
    pub count: i64,
    /// When the oldest of them was placed.
    pub oldest: Option<DateTime<Utc>>,
}

/// Counts the unfinished orders.
///
/// # Errors
/// When the database is away.
pub async fn unfinished(db: &mut PgConnection) -> Result<Unfinished, StoreError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(created_at) AS oldest
           FROM orders WHERE status IN ('pending', 'reserved')"#
    )
    .fetch_one(db)
    .await?;
    Ok(Unfinished {
        count: row.count,
        oldest: row.oldest,
    })
}

async fn with_lines(db: &mut PgConnection, row: Option<Row>) -> Result<Option<Order>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    let lines = lines(db, std::slice::from_ref(&row)).await?;
    row.into_order(lines).map(Some)
}

/// The lines of some orders. OFFSET 0 has each order looked up by its key,
/// whatever PostgreSQL believes of the size of the table.
async fn lines(db: &mut PgConnection, orders: &[Row]) -> Result<Vec<LineRow>, StoreError> {
    let (accounts, ids): (Vec<Uuid>, Vec<Uuid>) = orders
        .iter()
        .map(|order| (order.account_id, order.id))
        .unzip();
    Ok(sqlx::query_as!(
        LineRow,
        "SELECT order_id, product_id, title, quantity, unit_price_minor, returned_quantity
         FROM unnest($1::uuid[], $2::uuid[]) AS wanted (account, id) CROSS JOIN LATERAL (
             SELECT * FROM order_lines
             WHERE account_id = wanted.account AND order_id = wanted.id OFFSET 0
         ) AS line
         ORDER BY order_id, position",
        &accounts,
        &ids
    )
    .fetch_all(db)
    .await?)
}
