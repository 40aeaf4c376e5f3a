//! What svc-catalog offers, and for how much.

use std::sync::Arc;

use proto::souk::catalog::v1::{
    BatchGetProductsRequest, Product, catalog_service_client::CatalogServiceClient,
};
use svc_kit::{
    batcher::{BatchLimits, Batcher},
    client::Channel,
    error::{Kind, ServiceError},
    money::Money,
};
use tonic::Status;

use crate::{
    error::Error,
    product::{Offer, Offers, ProductId},
};

/// The most products that svc-catalog is asked for at once.
const BATCH: usize = 100;

/// What asking svc-catalog can run into.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogError {
    /// It did not answer, or not in time.
    #[error("the catalog cannot be reached")]
    Away(#[source] Box<Status>),
    /// It answered nonsense.
    #[error("the catalog answered nonsense: {0}")]
    Nonsense(String),
}

impl ServiceError for CatalogError {
    fn kind(&self) -> Kind {
        match self {
            Self::Away(_) => Kind::Unavailable,
            Self::Nonsense(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Away(_) => "CATALOG_UNAVAILABLE",
            Self::Nonsense(_) => "INTERNAL",
        }
    }
}

/// How many orders ask together, how many calls are under way at once, and how
/// many orders may wait for one.
const LIMITS: BatchLimits = BatchLimits {
    batch: 64,
    at_once: 2,
    waiting: 4096,
};

/// The client of svc-catalog. Cheap to clone. Who asks at the same moment
/// shares a call.
#[derive(Clone)]
pub struct Catalog(Batcher<Vec<ProductId>, Result<Arc<Offers>, CatalogError>>);

impl Catalog {
    /// A client over this channel.
    pub fn new(channel: Channel) -> Self {
        let client = CatalogServiceClient::new(channel);
        Self(Batcher::new(LIMITS, move |asked: Vec<Vec<ProductId>>| {
            let client = client.clone();
            Box::pin(async move {
                let count = asked.len();
                let mut products: Vec<ProductId> = asked.into_iter().flatten().collect();
                products.sort_unstable();
                products.dedup();
                let offers = fetch(client, &products).await.map(Arc::new);
                vec![offers; count]
            })
        }))
    }

    /// What these products are called and cost now. A product that is not in
    /// the answer is not in the catalog; others than asked for may be.
    ///
    /// # Errors
    /// When svc-catalog is away or answers nonsense, or too many ask it.
    pub async fn offers(&self, products: Vec<ProductId>) -> Result<Arc<Offers>, Error> {
        Ok(self.0.submit(products).await??)
    }
}

async fn fetch(
    client: CatalogServiceClient<Channel>,
    products: &[ProductId],
) -> Result<Offers, CatalogError> {
    let mut offers = Offers::with_capacity(products.len());
    for batch in products.chunks(BATCH) {
        let ids = batch.iter().map(ToString::to_string).collect();
        let answer = client
            .clone()
            .batch_get_products(BatchGetProductsRequest { ids })
            .await;
        let answer = answer.map_err(|status| {
            tracing::warn!(code = ?status.code(), message = status.message(), "svc-catalog did not answer");
            CatalogError::Away(Box::new(status))
        })?;
        for product in answer.into_inner().products {
            let (id, offer) = offer(product)?;
            offers.insert(id, offer);
        }
    }
    Ok(offers)
}

fn offer(product: Product) -> Result<(ProductId, Offer), CatalogError> {
    let nonsense =
        |what: &str| CatalogError::Nonsense(format!("product '{}' has no {what}", product.id));
    let id = product.id.parse().map_err(|_| nonsense("UUID"))?;
    let price = product.price.as_ref().ok_or_else(|| nonsense("price"))?;
    let price = Money::try_from(price).map_err(|_| nonsense("sensible price"))?;
    if price.is_negative() {
        return Err(nonsense("sensible price"));
    }
    Ok((
        id,
        Offer {
            title: product.title,
            price,
            purchase_limit: product.purchase_limit,
        },
    ))
}
