//! What this service hears, one event a file.

mod order_cancelled;
mod order_returned;
mod payment_requested;

use svc_kit::{consumer::ConsumeError, error::ServiceError as _};

pub use order_cancelled::OnOrderCancelled;
pub use order_returned::OnOrderReturned;
pub use payment_requested::OnPaymentRequested;

use crate::error::Error;

impl From<Error> for ConsumeError {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Invalid(_) | Error::OtherPayment => Self::reject(error.reason()),
            Error::RefundTooLarge(_) | Error::OtherRefund => {
                Self::reject(format!("{}: {error}", error.reason()))
            }
            // Nothing of the others lasts, or is met by an event.
            _ => Self::retry(error),
        }
    }
}

/// A field of an event that cannot be used, and why, without its value.
fn unusable(field: &str, why: impl std::fmt::Display) -> ConsumeError {
    ConsumeError::reject(format!("{field}: {why}"))
}
