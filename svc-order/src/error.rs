//! What can go wrong in this service, and what kind of error each is.

use std::{sync::Arc, time::Duration};

use proto::souk::r#type::v1::Money as WireMoney;
use svc_kit::{
    batcher::NotWorkedOn,
    error::{Invalid, Kind, ServiceError, StoreError},
    money::Money,
};

use crate::{
    clients::catalog::CatalogError, hub::HubClosed, order::Status, order::placement::Refused,
    order::returns::NotReturnable, purchase::LimitExceeded, review::ReviewState,
    store::carts::CartStoreError, watch::TooManyWatchers,
};

/// An error of this service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request cannot be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such order, or not for this caller.
    #[error("there is no such order")]
    OrderUnknown,
    /// The request id was used for another request.
    #[error("this request_id was used for another request")]
    RequestIdReused,
    /// The order cannot be placed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The cart has another version than expected.
    #[error("the cart was changed elsewhere; its version is {version}")]
    CartChanged {
        /// The version that it has.
        version: i64,
    },
    /// What is in the cart was ordered by another request.
    #[error("the cart was ordered a moment ago")]
    CartAlreadyOrdered,
    /// The cart holds as many products as it may.
    #[error("the cart is full")]
    CartFull,
    /// Too late to call the order off.
    #[error("the order is shipped")]
    OrderShipped,
    /// Too early, or too late, to ship the order.
    #[error("the order is {0}, not confirmed")]
    OrderNotConfirmed(Status),
    /// Too early to deliver the order.
    #[error("the order is {0}, not shipped")]
    OrderNotShipped(Status),
    /// A fraud screen refused it; the caller is not told why.
    #[error("the order cannot be placed")]
    OrderRefused,
    /// Nobody has decided about it yet.
    #[error("the order is in review")]
    OrderInReview,
    /// No screen doubts the order.
    #[error("the order has no review")]
    ReviewUnknown,
    /// It was decided in the other way.
    #[error("the review is {0} already")]
    ReviewDecided(ReviewState),
    /// The checkout has come to an end.
    #[error("the checkout has come to an end: the order is {0}")]
    CheckoutFinished(Status),
    /// It cannot come back.
    #[error(transparent)]
    NotReturnable(#[from] NotReturnable),
    /// The account may not buy that many.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// The caller watches as much as it may, or all callers together do.
    #[error(transparent)]
    TooManyWatchers(#[from] TooManyWatchers),
    /// This process stops, or the watch has lasted long enough.
    #[error("the watch ended; watch again")]
    WatchEnded,
    /// svc-catalog did not answer, or not sensibly.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Redis did not answer, or not sensibly.
    #[error(transparent)]
    Carts(#[from] CartStoreError),
    /// Postgres did not answer, or not sensibly.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The same, to each order of a batch.
    #[error(transparent)]
    StoreOfBatch(#[from] Arc<StoreError>),
    /// Too many orders wait, or the work was cut off.
    #[error(transparent)]
    NotWorkedOn(#[from] NotWorkedOn),
    /// A rule of ours was broken by ourselves.
    #[error("impossible: {0}")]
    Impossible(&'static str),
}

impl From<HubClosed> for Error {
    fn from(_: HubClosed) -> Self {
        Self::WatchEnded
    }
}

/// When to watch again after a watch has ended.
const WATCH_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl ServiceError for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_)
            | Self::Refused(Refused::CartEmpty | Refused::ProductUnknown(_))
            | Self::NotReturnable(NotReturnable::OtherCurrency) => Kind::Invalid,
            Self::OrderUnknown | Self::ReviewUnknown => Kind::NotFound,
            Self::RequestIdReused
            | Self::Refused(_)
            | Self::CartFull
            | Self::OrderShipped
            | Self::OrderNotConfirmed(_)
            | Self::OrderNotShipped(_)
            | Self::NotReturnable(_)
            | Self::LimitExceeded(_)
            | Self::OrderRefused
            | Self::OrderInReview
            | Self::ReviewDecided(_)
            | Self::CheckoutFinished(_) => Kind::Conflict,
            Self::CartChanged { .. } | Self::CartAlreadyOrdered => Kind::Contended,
            Self::TooManyWatchers(_) => Kind::Throttled,
            Self::WatchEnded => Kind::Unavailable,
            Self::Catalog(error) => error.kind(),
            Self::Carts(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::StoreOfBatch(error) => error.kind(),
            Self::NotWorkedOn(error) => error.kind(),
            Self::Impossible(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::OrderUnknown => "ORDER_NOT_FOUND",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::Refused(Refused::CartEmpty) => "CART_EMPTY",
            Self::Refused(Refused::ProductUnknown(_)) => "PRODUCT_UNKNOWN",
            Self::Refused(Refused::PriceChanged(_)) => "PRICE_CHANGED",
            Self::Refused(Refused::CurrencyMixed) => "CURRENCY_MIXED",
            Self::Refused(Refused::TotalNotPositive) => "TOTAL_NOT_POSITIVE",
            Self::Refused(Refused::TotalTooLarge) => "TOTAL_TOO_LARGE",
            Self::CartChanged { .. } => "CART_CHANGED",
            Self::CartAlreadyOrdered => "CART_ALREADY_ORDERED",
            Self::CartFull => "CART_FULL",
            Self::OrderShipped => "ORDER_SHIPPED",
            Self::OrderNotConfirmed(_) => "ORDER_NOT_CONFIRMED",
            Self::OrderNotShipped(_) | Self::NotReturnable(NotReturnable::NotShipped(_)) => {
                "ORDER_NOT_SHIPPED"
            }
            Self::NotReturnable(NotReturnable::TooMany { .. }) => "RETURN_EXCEEDS_ORDER",
            Self::NotReturnable(NotReturnable::TooMuch(_)) => "REFUND_EXCEEDS_TOTAL",
            Self::NotReturnable(NotReturnable::OtherCurrency) => "FIELD_INVALID",
            Self::LimitExceeded(_) => "PURCHASE_LIMIT_EXCEEDED",
            Self::OrderRefused => "ORDER_REFUSED",
            Self::OrderInReview => "ORDER_IN_REVIEW",
            Self::ReviewUnknown => "REVIEW_NOT_FOUND",
            Self::ReviewDecided(_) => "REVIEW_DECIDED",
            Self::CheckoutFinished(_) => "CHECKOUT_FINISHED",
            Self::TooManyWatchers(_) => "TOO_MANY_WATCHERS",
            Self::WatchEnded => "WATCH_ENDED",
            Self::Catalog(error) => error.reason(),
            Self::Carts(error) => error.reason(),
            Self::Store(error) => error.reason(),
            Self::StoreOfBatch(error) => error.reason(),
            Self::NotWorkedOn(error) => error.reason(),
            Self::Impossible(_) => "INTERNAL",
        }
    }

    fn violations(&self) -> Vec<Invalid> {
        match self {
            Self::Invalid(error) => error.violations(),
            Self::Refused(Refused::CartEmpty) => vec![Invalid::new(
                "items",
                "must not be empty with an empty cart",
            )],
            Self::Refused(Refused::ProductUnknown(_)) => {
                vec![Invalid::new(
                    "product_id",
                    "must be a product of the catalog",
                )]
            }
            Self::NotReturnable(NotReturnable::OtherCurrency) => {
                vec![Invalid::new("refund", "must be in the order's currency")]
            }
            _ => Vec::new(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Refused(Refused::PriceChanged(total)) => money(
                ["total_currency_code", "total_units", "total_nanos"],
                *total,
            ),
            Self::Refused(Refused::ProductUnknown(ids)) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                vec![("product_ids", ids.join(","))]
            }
            Self::CartChanged { version } => vec![("version", version.to_string())],
            Self::OrderNotConfirmed(status)
            | Self::OrderNotShipped(status)
            | Self::CheckoutFinished(status)
            | Self::NotReturnable(NotReturnable::NotShipped(status)) => {
                vec![("status", status.to_string())]
            }
            Self::ReviewDecided(state) => vec![("state", state.to_string())],
            Self::NotReturnable(NotReturnable::TooMany { product_id, left }) => vec![
                ("product_id", product_id.to_string()),
                ("left", left.to_string()),
            ],
            Self::LimitExceeded(refused) => vec![
                ("product_id", refused.product_id.to_string()),
                ("limit", refused.limit.to_string()),
                ("left", refused.left.to_string()),
            ],
            Self::NotReturnable(NotReturnable::TooMuch(left)) => {
                money(["left_currency_code", "left_units", "left_nanos"], *left)
            }
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::WatchEnded).then_some(WATCH_AGAIN_AFTER)
    }
}

/// An amount as programs read it, in the fields of `souk.type.v1.Money`.
fn money(
    [currency_code, units, nanos]: [&'static str; 3],
    amount: Money,
) -> Vec<(&'static str, String)> {
    let wire = WireMoney::from(amount);
    vec![
        (currency_code, wire.currency_code),
        (units, wire.units.to_string()),
        (nanos, wire.nanos.to_string()),
    ]
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        svc_kit::error::status(error)
    }
}
