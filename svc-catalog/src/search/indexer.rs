//! Keeps the search server's index in step with the database. ProductChanged
//! leaves a note for each product; this takes the notes in batches. An index of
//! other settings, or none, is built beside the one in use and then swapped
//! with it, so that no customer sees half of one.
//!
//! One replica does this at a time, by a lease that outlasts every call; what
//! is indexed is always read after the note was, so that a document is never
//! older than the note that is then deleted.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, bail};
use meilisearch_sdk::{
    client::SwapIndexes,
    errors::{Error as MeiliError, ErrorCode},
    task_info::TaskInfo,
    tasks::Task,
};
use svc_kit::{clock::Clock, db::Db, id};
use uuid::Uuid;

use super::meilisearch::{
    Meilisearch,
    document::{Document, PRIMARY_KEY, SETTINGS_VERSION, settings},
};
use crate::{
    product::{Product, ProductId},
    store::{categories, leases, products, search_index},
};

/// Documents sent at once.
const BATCH: i64 = 1000;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may work on one task, and how often it is asked.
const TASK_TIMEOUT: Duration = Duration::from_mins(1);
const TASK_POLL: Duration = Duration::from_millis(50);

/// How long the right to feed the index is kept: longer than one batch takes.
const LEASE: chrono::Duration = chrono::Duration::minutes(3);

/// Feeds a search server. Cheap to clone; clones are one holder of the lease.
#[derive(Debug, Clone)]
pub struct Indexer {
    db: Db,
    clock: Clock,
    server: Meilisearch,
    holder: Uuid,
}

impl Indexer {
    /// Feeds this index from this database.
    pub fn new(db: Db, clock: Clock, server: Meilisearch) -> Self {
        let holder = id::generate(&clock);
        Self {
            db,
            clock,
            server,
            holder,
        }
    }

    /// Builds the index, or feeds it one batch; false when it is up to date, or
    /// another replica's turn.
    ///
    /// # Errors
    /// When the database or the search server is away.
    #[tracing::instrument(name = "catalog.index_products", skip_all)]
    pub async fn step(&self) -> anyhow::Result<bool> {
        if !self.take_lease().await? {
            return Ok(false);
        }
        let built = search_index::built(self.db.writer(), &self.server.index).await?;
        if built != Some(SETTINGS_VERSION) || !self.exists(&self.server.index).await? {
            self.rebuild()
                .await
                .context("the search index was not built")?;
            return Ok(true);
        }
        let pending = search_index::pending(self.db.writer(), BATCH).await?;
        if pending.is_empty() {
            return Ok(false);
        }
        let ids: Vec<ProductId> = pending.iter().map(|(id, _)| *id).collect();
        let products = products::get_all(self.db.writer(), &ids).await?;
        self.put(&self.server.index, &products).await?;
        search_index::done(self.db.writer(), &pending).await?;
        tracing::debug!(products = products.len(), "indexed");
        Ok(true)
    }

    /// Builds the index anew from all products and puts it in the place of the
    /// one in use.
    ///
    /// # Errors
    /// When the database or the search server is away; then the one in use
    /// stays.
    pub async fn rebuild(&self) -> anyhow::Result<()> {
        let (live, fresh) = (&self.server.index, format!("{}-new", self.server.index));
        self.delete(&fresh).await?;
        self.create(&fresh).await?;
        let mut last = None;
        let mut count = 0;
        loop {
            anyhow::ensure!(self.take_lease().await?, "the lease was lost");
            let products = products::after(self.db.writer(), last, BATCH).await?;
            let Some(product) = products.last() else {
                break;
            };
            last = Some(product.id);
            count += products.len();
            self.put(&fresh, &products).await?;
        }
        if !self.exists(live).await? {
            self.create(live).await?;
        }
        let swap = SwapIndexes {
            indexes: (live.clone(), fresh.clone()),
            rename: None,
        };
        let swapped = call(self.server.client.swap_indexes([&swap])).await?;
        self.done(swapped).await?;
        self.delete(&fresh).await?;
        search_index::set_built(self.db.writer(), live, SETTINGS_VERSION, self.clock.now()).await?;
        tracing::info!(products = count, "search index built");
        Ok(())
    }

    async fn take_lease(&self) -> anyhow::Result<bool> {
        let now = self.clock.now();
        let name = format!("index:{}", self.server.index);
        Ok(leases::take(self.db.writer(), &name, self.holder, now, now + LEASE).await?)
    }

    async fn put(&self, index: &str, products: &[Product]) -> anyhow::Result<()> {
        if products.is_empty() {
            return Ok(());
        }
        let paths: HashMap<String, String> = categories::paths(self.db.writer())
            .await?
            .into_iter()
            .collect();
        let documents: Vec<Document> = products
            .iter()
            .map(|product| {
                let path = paths.get(product.details.category_id.as_str());
                Document::new(product, path.map_or("", String::as_str))
            })
            .collect();
        let index = self.server.client.index(index);
        let task = call(index.add_or_replace(&documents, Some(PRIMARY_KEY))).await?;
        self.done(task).await
    }

    async fn create(&self, index: &str) -> anyhow::Result<()> {
        let task = call(self.server.client.create_index(index, Some(PRIMARY_KEY))).await?;
        self.done(task).await?;
        let task = call(self.server.client.index(index).set_settings(&settings())).await?;
        self.done(task).await
    }

    async fn delete(&self, index: &str) -> anyhow::Result<()> {
        if !self.exists(index).await? {
            return Ok(());
        }
        let task = call(self.server.client.delete_index(index)).await?;
        self.done(task).await
    }

    async fn exists(&self, index: &str) -> anyhow::Result<bool> {
        let answer = tokio::time::timeout(CALL_TIMEOUT, self.server.client.get_raw_index(index))
            .await
            .context("the search server did not answer in time")?;
        match answer {
            Ok(_) => Ok(true),
            Err(MeiliError::Meilisearch(error)) if error.error_code == ErrorCode::IndexNotFound => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a task has been done.
    async fn done(&self, task: TaskInfo) -> anyhow::Result<()> {
        let client = &self.server.client;
        match client
            .wait_for_task(task, Some(TASK_POLL), Some(TASK_TIMEOUT))
            .await?
        {
            Task::Succeeded { .. } => Ok(()),
            Task::Failed { content } => bail!("a task failed: {}", content.error),
            Task::Enqueued { .. } | Task::Processing { .. } => bail!("a task did not end"),
        }
    }
}

async fn call<T>(request: impl Future<Output = Result<T, MeiliError>>) -> anyhow::Result<T> {
    Ok(tokio::time::timeout(CALL_TIMEOUT, request)
        .await
        .context("the search server did not answer in time")??)
}
