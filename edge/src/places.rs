//! Counts callers' connections and bounds them, in all and for each address,
//! from the moment that they are there: also while TLS begins.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pingora::protocols::{GetProxyDigest, GetSocketDigest};

use crate::{
    address::{Network, block},
    connection::Patience,
    live::Live,
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

/// The places of all connections. Clones share them.
#[derive(Debug, Clone)]
pub struct Places {
    bounds: Arc<Bounds>,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Places {
    /// So many.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds: Arc::new(bounds),
            open: Arc::default(),
        }
    }

    /// What bounds them.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// A place for a connection, if there is one.
    pub fn take<S: GetSocketDigest + ?Sized>(&self, stream: &S) -> Option<Place> {
        let digest = stream.get_socket_digest();
        let peer = digest.and_then(|digest| Some(digest.peer_addr()?.as_inet()?.ip()));
        self.take_for(peer)
    }

    fn take_for(&self, peer: Option<IpAddr>) -> Option<Place> {
        let proxies = self.bounds.trusted_proxies.load();
        let address = peer
            .filter(|peer| !proxies.iter().any(|proxy| proxy.contains(*peer)))
            .map(|peer| block(peer.to_canonical()));
        let mut open = lock(&self.open);
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
            open: Arc::clone(&self.open),
            address,
        })
    }
}

/// A place that is given back when dropped.
#[derive(Debug)]
pub struct Place {
    open: Arc<Mutex<Open>>,
    address: Option<IpAddr>,
}

impl Place {
    /// Whether a connection has one already: it lies in its digest.
    pub fn is_taken<S: GetProxyDigest + ?Sized>(stream: &S) -> bool {
        let digest = stream.get_proxy_digest();
        let ours = digest.as_ref().and_then(|digest| digest.user_data.as_ref());
        ours.is_some_and(|ours| ours.is::<Self>())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
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

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(max: usize, max_per_address: usize) -> Places {
        Places::new(Bounds {
            max,
            max_per_address,
            trusted_proxies: Live::new(vec!["10.0.0.0/8".parse().unwrap()]),
            patience: Patience {
                head_timeout_ms: 1,
                idle_timeout_ms: 1,
                read_timeout_ms: 1,
                write_timeout_ms: 1,
            },
        })
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_all_of_it() {
        let places = places(5, 2);
        let take = |peer: &str| places.take_for(Some(peer.parse().unwrap()));
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
