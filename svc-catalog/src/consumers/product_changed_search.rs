//! A product changed: its document in the search server is behind.

use proto::souk::event::v1::ProductChanged;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer};

use crate::{app::App, store::search_index};

/// Notes it for the job that feeds the search server in batches.
#[derive(Debug, Clone)]
pub struct OnProductChangedSearch {
    /// What it works with.
    pub app: App,
}

impl Consumer for OnProductChangedSearch {
    type Event = ProductChanged;
    const NAME: &'static str = "catalog-product-changed-search";

    async fn handle(
        &self,
        tx: &mut PgConnection,
        event: ProductChanged,
    ) -> Result<(), ConsumeError> {
        // Without an id it tells of the categories, which have no documents.
        if let Ok(id) = event.product_id.parse() {
            search_index::push(tx, id, event.version).await?;
            // It may look before the commit, and then finds it next time.
            self.app.reindex.notify_one();
        }
        Ok(())
    }
}
