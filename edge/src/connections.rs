//! Counts callers' connections and bounds them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use pingora::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};

use crate::metrics::Live;

/// An app behind a count. Clones share both.
#[derive(Debug)]
pub struct Counted<A> {
    app: Arc<A>,
    open: Arc<AtomicUsize>,
    max: usize,
}

impl<A> Clone for Counted<A> {
    fn clone(&self) -> Self {
        Self {
            app: Arc::clone(&self.app),
            open: Arc::clone(&self.open),
            max: self.max,
        }
    }
}

impl<A> Counted<A> {
    /// Lets so many connections in at once.
    pub fn new(app: A, max: usize) -> Self {
        Self {
            app: Arc::new(app),
            open: Arc::default(),
            max,
        }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl<A: ServerApp + Send + Sync + 'static> Counted<A> {
    /// Closes connections of HTTP/1 on which nothing is asked.
    pub async fn close_idle(&self) {
        self.app.cleanup().await;
    }
}

/// A place that is given back.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Counted<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.open);
        if open >= self.max {
            return None; // closed without a word: words cost, too
        }
        let _live = Live::connection();
        self.app.process_new(stream, shutdown).await
    }

    // Nothing is cleaned up when nobody is accepted any more: idle connections
    // are closed when it is time for that.
}
