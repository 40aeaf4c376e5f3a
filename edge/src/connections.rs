//! Counts callers' connections and bounds them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use pingora::{
    apps::ServerApp,
    protocols::{ALPN, Stream},
    server::ShutdownWatch,
};

use crate::{gather::Gathered, metrics::Live};

/// An app behind a count.
#[derive(Debug)]
pub struct Counted<A> {
    app: Arc<A>,
    open: AtomicUsize,
    max: usize,
}

impl<A> Counted<A> {
    /// Lets so many connections in at once.
    pub fn new(app: A, max: usize) -> Self {
        Self {
            app: Arc::new(app),
            open: AtomicUsize::new(0),
            max,
        }
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
        let stream = match stream.selected_alpn_proto() {
            Some(ALPN::H2) => Box::new(Gathered::new(stream)),
            _ => stream,
        };
        self.app.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}
