//! What this service hears, one event a file.

mod account_registered;
mod order_cancelled;
mod order_confirmed;
mod order_returned;
mod order_shipped;

use proto::souk::r#type::v1::Money as WireMoney;
use svc_kit::{consumer::ConsumeError, error::ServiceError as _, id, money::Money};
use uuid::Uuid;

pub use account_registered::OnAccountRegistered;
pub use order_cancelled::OnOrderCancelled;
pub use order_confirmed::OnOrderConfirmed;
pub use order_returned::OnOrderReturned;
pub use order_shipped::OnOrderShipped;

use crate::{error::Error, notice::Total};

impl From<Error> for ConsumeError {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Invalid(_) | Error::Letter(_) => Self::reject(error.reason()),
        }
    }
}

/// A field of an event that cannot be used, and why, without its value.
fn unusable(why: impl std::fmt::Display) -> ConsumeError {
    ConsumeError::reject(why.to_string())
}

fn parse_id(field: &str, text: &str) -> Result<Uuid, ConsumeError> {
    id::parse(field, text).map_err(unusable)
}

fn total(wire: Option<&WireMoney>) -> Result<Total, ConsumeError> {
    let wire = wire.ok_or_else(|| unusable("total is missing"))?;
    Money::try_from(wire)
        .map(Total::from)
        .map_err(|why| unusable(format!("total: {why}")))
}
