//! What can go wrong in this service, and its kinds.

use svc_kit::{
    error::{Invalid, Kind, ServiceError, StoreError},
    money::Money,
};

use crate::ledger::Account;

/// An error of svc-payment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field that cannot be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The order has no payment, or not one of this caller.
    #[error("there is no such payment")]
    NotFound,
    /// An order asks for a second, different payment.
    #[error("the order has another payment")]
    OtherPayment,
    /// Nobody knows yet whether the money will come.
    #[error("the payment is not captured yet")]
    NotCaptured,
    /// Whoever calls wants back more than there is.
    #[error("only {0} of the payment is left to be refunded")]
    RefundTooLarge(Money),
    /// There is no such refund.
    #[error("there is no such refund")]
    RefundNotFound,
    /// The money went back long since.
    #[error("the refund is done")]
    RefundDone,
    /// A return asks for a second, different refund.
    #[error("the return has another refund")]
    OtherRefund,
    /// There is no such discrepancy.
    #[error("there is no such discrepancy")]
    DiscrepancyNotFound,
    /// It was dealt with otherwise, or is there no more.
    #[error("the discrepancy is closed")]
    DiscrepancyClosed,
    /// One request id for two requests.
    #[error("this request id was used for a different request")]
    RequestIdReused,
    /// An account holds more than an answer can say.
    #[error("the balance of {0} is too large to be answered")]
    BalanceTooLarge(Account),
    /// Nobody can say what has become of the money.
    #[error("the payment provider does not answer")]
    ProviderUnavailable,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServiceError for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::NotFound | Self::RefundNotFound | Self::DiscrepancyNotFound => Kind::NotFound,
            Self::OtherPayment
            | Self::NotCaptured
            | Self::RefundTooLarge(_)
            | Self::RefundDone
            | Self::OtherRefund
            | Self::DiscrepancyClosed
            | Self::RequestIdReused
            | Self::BalanceTooLarge(_) => Kind::Conflict,
            Self::ProviderUnavailable => Kind::Unavailable,
            Self::Store(error) => error.kind(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "FIELD_INVALID",
            Self::NotFound => "PAYMENT_NOT_FOUND",
            Self::OtherPayment => "PAYMENT_EXISTS",
            Self::NotCaptured => "PAYMENT_NOT_CAPTURED",
            Self::RefundTooLarge(_) => "REFUND_TOO_LARGE",
            Self::RefundNotFound => "REFUND_NOT_FOUND",
            Self::RefundDone => "REFUND_DONE",
            Self::OtherRefund => "REFUND_EXISTS",
            Self::DiscrepancyNotFound => "DISCREPANCY_NOT_FOUND",
            Self::DiscrepancyClosed => "DISCREPANCY_CLOSED",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::BalanceTooLarge(_) => "BALANCE_TOO_LARGE",
            Self::ProviderUnavailable => "PROVIDER_UNAVAILABLE",
            Self::Store(error) => error.reason(),
        }
    }

    fn violations(&self) -> Vec<Invalid> {
        match self {
            Self::Invalid(invalid) => vec![invalid.clone()],
            _ => Vec::new(),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        svc_kit::error::status(error)
    }
}
