//! Adds to or takes from what is on hand, once per request id.

use uuid::Uuid;

use crate::{
    app::App,
    change_stock::change_stock,
    error::Error,
    product::ProductId,
    stock::{MAX_ON_HAND, Stock},
    store::{
        adjustments::{self, Adjustment},
        stock,
    },
    violation::{Violation, at_most, no_nul},
};

/// The longest reason, in characters.
pub const MAX_REASON_CHARS: usize = 500;

/// What to do.
#[derive(Debug, Clone)]
pub struct AdjustStock {
    /// To which product.
    pub product_id: ProductId,
    /// May be negative.
    pub delta: i64,
    /// The caller's.
    pub request_id: Uuid,
    /// For the record.
    pub reason: String,
}

/// Adjusts stock; a repeat of the request changes nothing and gets the first
/// answer.
///
/// # Errors
/// `StockInsufficient` when less than what is promised would be left,
/// `ProductNotFound`, `RequestIdReused`.
#[tracing::instrument(name = "catalog.adjust_stock", skip_all, fields(product_id = %command.product_id))]
pub async fn adjust_stock(app: &App, command: AdjustStock) -> Result<Stock, Error> {
    check(&command).map_err(Error::rule)?;
    let mut tx = app.db.begin().await?;
    let before = *stock::lock(&mut tx, &[command.product_id])
        .await?
        .first()
        .ok_or(Error::ProductNotFound(command.product_id))?;
    if let Some(earlier) = adjustments::find(&mut tx, command.request_id).await? {
        return if is_same(&earlier, &command) {
            Ok(earlier.after)
        } else {
            Err(Error::RequestIdReused)
        };
    }
    if before.on_hand + command.delta > MAX_ON_HAND {
        return Err(Error::rule(delta_invalid()));
    }
    let after = before.adjusted(command.delta)?;
    let adjustment = Adjustment {
        request_id: command.request_id,
        delta: command.delta,
        reason: command.reason,
        after,
    };
    if !adjustments::insert(&mut tx, &adjustment, app.clock.now()).await? {
        return Err(Error::RequestIdReused);
    }
    change_stock(app, &mut tx, &[before], &[after]).await?;
    tx.commit().await?;
    Ok(after)
}

fn check(command: &AdjustStock) -> Result<(), Violation> {
    if command.delta == 0 || !(-MAX_ON_HAND..=MAX_ON_HAND).contains(&command.delta) {
        return Err(delta_invalid());
    }
    no_nul("reason", &command.reason)?;
    at_most(
        "reason",
        "REASON_TOO_LONG",
        &command.reason,
        MAX_REASON_CHARS,
    )
}

fn delta_invalid() -> Violation {
    Violation::new(
        "delta",
        "DELTA_INVALID",
        format!("must not be 0, nor lead beyond {MAX_ON_HAND}"),
    )
}

fn is_same(earlier: &Adjustment, command: &AdjustStock) -> bool {
    earlier.after.product_id == command.product_id
        && earlier.delta == command.delta
        && earlier.reason == command.reason
}
