//! What the accounts of the ledger hold.

use crate::{app::App, error::Error, ledger::Balance, payment::OrderId, store::ledger};

/// Sums up the ledger, of one order or of all. The balances of each currency
/// sum to zero.
///
/// # Errors
/// When the database does not answer.
pub async fn get_ledger(app: &App, order_id: Option<OrderId>) -> Result<Vec<Balance>, Error> {
    Ok(ledger::balances(app.db.reader(), order_id).await?)
}
