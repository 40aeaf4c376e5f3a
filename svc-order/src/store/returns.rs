//! The tables `order_returns` and `order_return_lines`. Who writes here holds
//! the order's row.

use sqlx::PgConnection;
use svc_kit::{error::StoreError, money::Money};
use uuid::Uuid;

use crate::{
    order::{
        Fingerprint, Order, OrderId, RequestKey,
        returns::{Return, ReturnId, ReturnedItem},
    },
    product::ProductId,
};

/// The return that a request recorded, of whichever order.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn find_by_request(
    tx: &mut PgConnection,
    request_id: Uuid,
) -> Result<Option<Return>, StoreError> {
    let row = sqlx::query!(
        "SELECT account_id, order_returns.id, order_id, order_returns.request_fingerprint,
                refund_minor, reason, order_returns.created_at, currency
         FROM order_returns
         JOIN orders USING (account_id)
         WHERE orders.id = order_returns.order_id AND order_returns.request_id = $1
         LIMIT 1",
        request_id,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let corrupt = |what: &str| StoreError::Corrupt {
        table: "order_returns",
        why: format!("{what} of {}", row.id),
    };
    let currency = row.currency.parse().map_err(|_| corrupt("currency"))?;
    let fingerprint = row.request_fingerprint.as_slice().try_into();
    let fingerprint = fingerprint.map_err(|_| corrupt("request_fingerprint"))?;
    let items = sqlx::query!(
        "SELECT product_id, quantity, restock FROM order_return_lines
         WHERE account_id = $1 AND return_id = $2 ORDER BY position",
        row.account_id,
        row.id,
    )
    .fetch_all(tx)
    .await?;
    Ok(Some(Return {
        id: ReturnId(row.id),
        order_id: OrderId(row.order_id),
        request: RequestKey {
            id: request_id,
            fingerprint: Fingerprint(fingerprint),
        },
        items: items
            .into_iter()
            .map(|item| ReturnedItem {
                product_id: ProductId(item.product_id),
                quantity: item.quantity,
                restock: item.restock,
            })
            .collect(),
        refund: Money::new(currency, row.refund_minor),
        reason: row.reason,
        created_at: row.created_at,
    }))
}

/// Inserts a return with its lines. False when the request id is taken, which
/// can only be by a return of another order of the account.
///
/// # Errors
/// When the database is away.
pub async fn insert_once(
    tx: &mut PgConnection,
    order: &Order,
    returned: &Return,
) -> Result<bool, StoreError> {
    let mut positions = Vec::with_capacity(returned.items.len());
    let (mut products, mut quantities, mut restocks) = (Vec::new(), Vec::new(), Vec::new());
    for (position, item) in (0_i32..).zip(&returned.items) {
        positions.push(position);
        products.push(item.product_id.0);
        quantities.push(item.quantity);
        restocks.push(item.restock);
    }
    let inserted = sqlx::query!(
        "WITH recorded AS (
             INSERT INTO order_returns (account_id, id, order_id, request_id, request_fingerprint,
                                        refund_minor, reason, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (account_id, request_id) DO NOTHING
             RETURNING account_id, id
         )
         INSERT INTO order_return_lines (account_id, return_id, position, product_id, quantity,
                                         restock)
         SELECT recorded.account_id, recorded.id, line.position, line.product_id, line.quantity,
                line.restock
         FROM recorded,
              unnest($9::int[], $10::uuid[], $11::int[], $12::boolean[])
                  AS line (position, product_id, quantity, restock)",
        order.account_id.0,
        returned.id.0,
        order.id.0,
        returned.request.id,
        &returned.request.fingerprint.0[..],
        returned.refund.minor,
        returned.reason,
        returned.created_at,
        &positions,
        &products,
        &quantities,
        &restocks,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() > 0)
}
