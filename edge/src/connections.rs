//! The apps that lie between the listeners and Pingora's own: one gives each
//! connection its place and its patience, one tells it when it waits for a
//! request.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use async_trait::async_trait;
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp},
    protocols::{
        ALPN, Stream,
        http::{ServerSession, v2::server::H2Options},
    },
    server::ShutdownWatch,
};

use crate::{
    connection::{Conduct, Connection},
    gather::Gathered,
    metrics,
    places::{Place, Places},
};

/// An app behind a count. Clones share both.
#[derive(Debug)]
pub struct Counted<A> {
    app: Arc<A>,
    places: Places,
    served: Arc<AtomicUsize>,
}

impl<A> Clone for Counted<A> {
    fn clone(&self) -> Self {
        Self {
            app: Arc::clone(&self.app),
            places: self.places.clone(),
            served: Arc::clone(&self.served),
        }
    }
}

impl<A> Counted<A> {
    /// Lets those in who have a place.
    pub fn new(app: A, places: Places) -> Self {
        Self {
            app: Arc::new(app),
            places,
            served: Arc::default(),
        }
    }

    /// Connections that are served, and not only greeted.
    pub fn open(&self) -> usize {
        self.served.load(Relaxed)
    }
}

impl<A: ServerApp + Send + Sync + 'static> Counted<A> {
    /// Closes connections of HTTP/1 on which nothing is asked.
    pub async fn close_idle(&self) {
        self.app.cleanup().await;
    }
}

/// A connection that is served.
struct Served<'a>(&'a AtomicUsize);

impl<'a> Served<'a> {
    fn begin(served: &'a AtomicUsize) -> Self {
        served.fetch_add(1, Relaxed);
        Self(served)
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Counted<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        // Closed without a word when there is no place: words cost, too.
        let _place = if Place::is_taken(&*stream) {
            None
        } else {
            Some(self.places.take(&*stream)?)
        };
        let _served = Served::begin(&self.served);
        let _live = metrics::Live::connection();
        let patience = self.places.bounds().patience.clone();
        let connection = Connection::new(stream, patience).ok()?;
        let connection: Stream = Box::new(connection);
        let connection = match connection.selected_alpn_proto() {
            Some(ALPN::H2) => Box::new(Gathered::until_read(connection)),
            _ => Box::new(Gathered::until_more(connection)),
        };
        self.app.process_new(connection, shutdown).await
    }

    // Nothing is cleaned up when nobody is accepted any more: idle connections
    // are closed when it is time for that.
}

/// An app of HTTP whose connections know when they wait for a request.
#[derive(Debug)]
pub struct Heard<A>(Arc<A>);

impl<A> Heard<A> {
    /// Tells the connections of this app.
    pub fn new(app: A) -> Self {
        Self(Arc::new(app))
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Heard<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.is_http2()
            && let Some(conduct) = Conduct::of(session.digest())
        {
            conduct.await_request();
        }
        self.0.process_new_http(session, shutdown).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.0.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.0.server_options()
    }

    async fn http_cleanup(&self) {
        self.0.http_cleanup().await;
    }
}
