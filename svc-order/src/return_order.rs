//! Takes back some of an order that was shipped. For staff: any account's
//! order.

use svc_kit::{caller::Caller, error::StoreError, money::Money, outbox};

use crate::{
    app::App,
    audit::{Action, AuditRecord},
    error::Error,
    order::{
        OrderId, RequestKey,
        returns::{Return, ReturnId, ReturnedItem},
    },
    store::{audit, orders, returns},
};

/// What came back.
#[derive(Debug, Clone)]
pub struct ReturnOrder {
    /// Of which order.
    pub order_id: OrderId,
    /// The caller's own name for the request, and what it asks for.
    pub request: RequestKey,
    /// What came back.
    pub items: Vec<ReturnedItem>,
    /// What the customer gets for it; `None`: what it cost.
    pub refund: Option<Money>,
    /// Why, in the words of staff.
    pub reason: String,
}

/// Records a return once for each request id, and announces it: svc-catalog
/// puts back on sale what is restocked, svc-payment gives the money back.
///
/// # Errors
/// `NotFound`, `Conflict` when it is not shipped, when more came back than was
/// bought or would go back than was paid, or when the request id was used for
/// something else.
#[tracing::instrument(name = "order.return_order", skip_all, fields(order_id = %command.order_id))]
pub async fn return_order(app: &App, by: &Caller, command: ReturnOrder) -> Result<Return, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let mut order = orders::lock(&mut tx, command.order_id)
        .await?
        .ok_or(Error::OrderUnknown)?;
    if let Some(earlier) = returns::find_by_request(&mut tx, command.request.id).await? {
        return if earlier.request == command.request {
            Ok(earlier)
        } else {
            Err(Error::RequestIdReused)
        };
    }
    let refund = order.take_back(&command.items, command.refund, now)?;
    let returned = Return {
        id: ReturnId::generate(&app.clock),
        order_id: order.id,
        request: command.request,
        items: command.items,
        refund,
        reason: command.reason,
        created_at: now,
    };
    if !returns::insert_once(&mut tx, &order, &returned).await? {
        return Err(Error::RequestIdReused);
    }
    orders::save(&mut tx, &order).await?;
    orders::save_returned(&mut tx, &order).await?;
    let record = AuditRecord::new(
        Action::OrderReturned,
        &order,
        by,
        &returned.reason,
        &app.clock,
    );
    audit::insert(&mut tx, &record).await?;
    outbox::put(&mut tx, &order.came_back(&returned), &app.clock).await?;
    tx.commit().await.map_err(StoreError::from)?;
    tracing::info!(return_id = %returned.id, refund = %refund, "taken back");
    Ok(returned)
}
