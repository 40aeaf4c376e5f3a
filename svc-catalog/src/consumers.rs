//! What this service hears, an event a file.

mod order_cancelled;
mod order_confirmed;
mod order_placed;
mod order_returned;
mod product_changed_cache;
mod product_changed_search;

pub use order_cancelled::OnOrderCancelled;
pub use order_confirmed::OnOrderConfirmed;
pub use order_placed::OnOrderPlaced;
pub use order_returned::OnOrderReturned;
pub use product_changed_cache::OnProductChangedCache;
pub use product_changed_search::OnProductChangedSearch;

use proto::souk::event::v1::OrderedLine;
use svc_kit::consumer::ConsumeError;

use crate::reservation::{Lines, OrderId, Wanted};

fn order_id(text: &str) -> Result<OrderId, ConsumeError> {
    text.parse()
        .map_err(|_| ConsumeError::reject("the order id is no UUID"))
}

fn wanted(order: &str, of: &[OrderedLine]) -> Result<Wanted, ConsumeError> {
    Ok(Wanted {
        order_id: order_id(order)?,
        lines: lines(of)?,
    })
}

fn lines(lines: &[OrderedLine]) -> Result<Lines, ConsumeError> {
    let mut parsed = Vec::with_capacity(lines.len());
    for line in lines {
        let product_id = line
            .product_id
            .parse()
            .map_err(|_| ConsumeError::reject("a product id is no UUID"))?;
        parsed.push((product_id, i64::from(line.quantity)));
    }
    Lines::new(parsed).map_err(|error| ConsumeError::reject(error.to_string()))
}
