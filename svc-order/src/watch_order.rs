//! An order now, and again after each change, until it is final.

use futures::Stream;
use svc_kit::caller::Caller;

use crate::{
    app::App,
    error::Error,
    get_order::{find, get_order},
    order::{Order, OrderId},
    watch::{self, Seen},
};

/// Watches one of the caller's orders.
///
/// # Errors
/// `NotFound`, `Throttled` when too much is watched.
#[tracing::instrument(name = "order.watch_order", skip_all, fields(order_id = %id))]
pub async fn watch_order(
    app: &App,
    caller: &Caller,
    id: OrderId,
) -> Result<impl Stream<Item = Result<Order, Error>> + Send + use<>, Error> {
    let watcher = app.watchers.enter(caller.account_id)?;
    let changes = app.order_changes.subscribe(id)?;
    // What fails at once is the call's own error.
    get_order(app, caller, id).await?;
    let (app, account) = (app.clone(), caller.account_id);
    Ok(watch::feed(watcher, changes, move |sent| {
        let app = app.clone();
        async move {
            let order = find(&app, account, id).await?;
            if sent == Some(order.version) {
                return Ok(None);
            }
            let (version, last) = (order.version, order.is_final());
            Ok(Some(Seen {
                value: order,
                version,
                last,
            }))
        }
    }))
}
