//! What the use cases work with.

use std::{sync::Arc, time::Duration};

use svc_kit::{clock::Clock, db::Db};
use tokio::sync::Notify;

use crate::{cache::ProductCache, search::Search};

/// Everything a use case needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The service's database.
    pub db: Db,
    /// Products for GetProduct.
    pub cache: ProductCache,
    /// The engines that search.
    pub search: Search,
    /// The time.
    pub clock: Clock,
    /// How long stock is held for an order that nobody confirms or cancels.
    pub reservation_ttl: Duration,
    /// Wakes the job that repairs the cache.
    pub repair: Arc<Notify>,
    /// Wakes the job that feeds the search server.
    pub reindex: Arc<Notify>,
}
