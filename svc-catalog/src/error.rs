//! What the catalog's use cases can answer instead of a result.

use svc_kit::error::{Invalid, Kind, ServiceError, StoreError};
use tonic::Status;

use crate::{
    category::CategoryId, product::ProductId, search::SearchError, stock::Short,
    violation::Violation,
};

/// The errors of this service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields that break rules; the first one names the reason.
    #[error("{}", sentences(.violations))]
    Rules {
        /// The message that the fields are part of: "product", or nothing.
        parent: &'static str,
        /// At least one.
        violations: Vec<Violation>,
    },
    /// A malformed field of a request.
    #[error(transparent)]
    Field(#[from] Invalid),
    /// No such product.
    #[error("there is no product {0}")]
    ProductNotFound(ProductId),
    /// No such category.
    #[error("there is no category {0}")]
    CategoryNotFound(CategoryId),
    /// The id is in use.
    #[error("there is a product {0} already")]
    ProductExists(ProductId),
    /// The stock-keeping unit is in use.
    #[error("another product has the sku")]
    SkuTaken,
    /// The category is there, but another one.
    #[error("there is another category {0} already")]
    CategoryExists(CategoryId),
    /// Somebody else changed the product first.
    #[error("the product was changed since it was read")]
    EtagMismatch {
        /// The etag that it has now.
        current: String,
    },
    /// The request id came with another request before.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// Less than nothing would be left.
    #[error("not enough stock")]
    StockInsufficient(#[from] Short),
    /// No engine can answer.
    #[error("search cannot be answered")]
    Search(#[from] SearchError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// Rules broken by a request's product.
    pub fn product(violations: Vec<Violation>) -> Self {
        Self::Rules {
            parent: "product",
            violations,
        }
    }

    /// Rules broken by fields of the request itself.
    pub fn request(violations: Vec<Violation>) -> Self {
        Self::Rules {
            parent: "",
            violations,
        }
    }

    /// One rule, broken by a field of the request itself.
    pub fn rule(violation: Violation) -> Self {
        Self::request(vec![violation])
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl ServiceError for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Rules { .. } | Self::Field(_) => Kind::Invalid,
            Self::ProductNotFound(_) | Self::CategoryNotFound(_) => Kind::NotFound,
            Self::ProductExists(_) | Self::SkuTaken | Self::CategoryExists(_) => Kind::Exists,
            Self::EtagMismatch { .. } => Kind::Contended,
            Self::RequestIdReused | Self::StockInsufficient(_) => Kind::Conflict,
            Self::Search(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Rules { violations, .. } => violations
                .first()
                .map_or("FIELD_INVALID", |violation| violation.reason),
            Self::Field(invalid) => invalid.reason(),
            Self::ProductNotFound(_) => "PRODUCT_NOT_FOUND",
            Self::CategoryNotFound(_) => "CATEGORY_NOT_FOUND",
            Self::ProductExists(_) => "PRODUCT_EXISTS",
            Self::SkuTaken => "SKU_TAKEN",
            Self::CategoryExists(_) => "CATEGORY_EXISTS",
            Self::EtagMismatch { .. } => "ETAG_MISMATCH",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::StockInsufficient(_) => "STOCK_INSUFFICIENT",
            Self::Search(error) => error.reason(),
            Self::Store(error) => error.reason(),
        }
    }

    fn violations(&self) -> Vec<Invalid> {
        match self {
            Self::Rules { parent, violations } => violations
                .iter()
                .map(|violation| violation.invalid(parent))
                .collect(),
            Self::Field(invalid) => invalid.violations(),
            _ => Vec::new(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::EtagMismatch { current } => vec![("etag", current.clone())],
            Self::StockInsufficient(short) => vec![
                ("product_id", short.product_id.to_string()),
                ("available", short.available.to_string()),
            ],
            _ => Vec::new(),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        svc_kit::error::status(error)
    }
}

fn sentences(violations: &[Violation]) -> String {
    let sentences: Vec<String> = violations.iter().map(Violation::sentence).collect();
    sentences.join("; ")
}
