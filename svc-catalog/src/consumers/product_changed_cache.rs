//! A product changed: tell the cache once more, after the commit, in case it
//! has lost what it was told before it.

use proto::souk::event::v1::ProductChanged;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer};

use crate::app::App;

/// Sets the fence again.
#[derive(Debug, Clone)]
pub struct OnProductChangedCache {
    /// What it works with.
    pub app: App,
}

impl Consumer for OnProductChangedCache {
    type Event = ProductChanged;
    const NAME: &'static str = "catalog-product-changed-cache";

    async fn handle(
        &self,
        _tx: &mut PgConnection,
        event: ProductChanged,
    ) -> Result<(), ConsumeError> {
        // Without an id it tells of the categories, which are not cached.
        if let Ok(id) = event.product_id.parse() {
            // Away: whoever made the change has noted it for repair.
            let _ = self.app.cache.fence(&[(id, event.version)]).await;
        }
        Ok(())
    }
}
