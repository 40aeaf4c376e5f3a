//! Counts callers' connections and bounds them, in all and for each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    address::{Network, block},
    connection::{Conduct, Connection, Patience},
    gather::Gathered,
    live::Live,
    metrics,
};

/// How many connections there may be.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// At once.
    pub max: usize,
    /// At once from one address, or network of IPv6 that one customer has.
    pub max_per_address: usize,
    /// Proxies before us: many callers come through one of them.
    pub trusted_proxies: Live<Vec<Network>>,
    /// How long callers may take.
    pub patience: Patience,
}

/// An app behind a count. Clones share both.
#[derive(Debug)]
pub struct Counted<A> {
    app: Arc<A>,
    bounds: Arc<Bounds>,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl<A> Clone for Counted<A> {
    fn clone(&self) -> Self {
        Self {
            app: Arc::clone(&self.app),
            open: Arc::clone(&self.open),
            bounds: Arc::clone(&self.bounds),
        }
    }
}

impl<A> Counted<A> {
    /// Lets so many connections in at once.
    pub fn new(app: A, bounds: Bounds) -> Self {
        Self {
            app: Arc::new(app),
            bounds: Arc::new(bounds),
            open: Arc::default(),
        }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, if there is one.
    fn take(&self, peer: Option<IpAddr>) -> Option<Place<'_>> {
        let proxies = self.bounds.trusted_proxies.load();
        let address = peer
            .filter(|peer| !proxies.iter().any(|proxy| proxy.contains(*peer)))
            .map(|peer| block(peer.to_canonical()));
        let mut open = self.lock();
        if open.all >= self.bounds.max {
            return None;
        }
        if let Some(address) = address {
            let count = open.by_address.entry(address).or_default();
            if *count >= self.bounds.max_per_address {
                return None;
            }
            *count += 1;
        }
        open.all += 1;
        Some(Place {
            open: &self.open,
            address,
        })
    }
}

impl<A: ServerApp + Send + Sync + 'static> Counted<A> {
    /// Closes connections of HTTP/1 on which nothing is asked.
    pub async fn close_idle(&self) {
        self.app.cleanup().await;
    }
}

/// A place that is given back.
struct Place<'a> {
    open: &'a Mutex<Open>,
    address: Option<IpAddr>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(address) = self.address
            && let Some(count) = open.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
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
        let _place = self.take(peer(&stream))?;
        let _live = metrics::Live::connection();
        let connection = Connection::new(stream, self.bounds.patience.clone()).ok()?;
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

fn peer(stream: &Stream) -> Option<IpAddr> {
    let digest = stream.get_socket_digest()?;
    Some(digest.peer_addr()?.as_inet()?.ip())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(max: usize, max_per_address: usize) -> Counted<()> {
        let bounds = Bounds {
            max,
            max_per_address,
            trusted_proxies: Live::new(vec!["10.0.0.0/8".parse().unwrap()]),
            patience: Patience {
                head_timeout_ms: 1,
                idle_timeout_ms: 1,
                read_timeout_ms: 1,
                write_timeout_ms: 1,
            },
        };
        Counted::new((), bounds)
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_all_of_it() {
        let counted = counted(5, 2);
        let take = |peer: &str| counted.take(Some(peer.parse().unwrap()));
        let (one, _two) = (take("1.1.1.1").unwrap(), take("::ffff:1.1.1.1").unwrap());
        assert!(take("1.1.1.1").is_none());
        drop(one);
        let _again = take("1.1.1.1").unwrap();
        let proxied: Vec<_> = (0..3).map(|_| take("10.0.0.1").unwrap()).collect();
        assert!(take("10.0.0.1").is_none() && take("2.2.2.2").is_none());
        drop(proxied);
        let _neighbour = take("2001:db8::1").unwrap();
        let _other = take("2001:db8::2").unwrap();
        assert!(take("2001:db8::3").is_none());
    }
}
