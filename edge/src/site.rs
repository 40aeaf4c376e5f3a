//! An HTTP/1.1 origin of its own, before which the edge stands for a part of
//! the tree of paths: `/prefix=http://host:port`.

use std::{
    net::SocketAddr,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::Uri;
use pingora::upstreams::peer::HttpPeer;
use svc_kit::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// How long a connection to an origin may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an origin may refuse to take more of a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection without requests is kept.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// How often names are looked up again.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);

/// An origin. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Site(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    prefix: String,
    host: String,
    port: u16,
    /// The addresses that were found last.
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Which of them is asked: the next when it cannot be reached.
    turn: AtomicUsize,
    places: Arc<Semaphore>,
}

/// A place among the requests that an origin has at once; given back when
/// dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl FromStr for Site {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (prefix, url) = text
            .split_once('=')
            .ok_or("it is not like /prefix=http://host:port")?;
        let is_plain = prefix.starts_with('/')
            && !prefix.contains(['?', '#', '%', '\\', ' '])
            && !prefix.contains("//")
            && !prefix.split('/').any(|part| part == "." || part == "..");
        if !is_plain {
            return Err(format!("\"{prefix}\" is not a path to begin with"));
        }
        let url: Uri = url.parse().map_err(|_| format!("\"{url}\" is not a URL"))?;
        if url.scheme_str() != Some("http") {
            return Err(format!("\"{url}\" does not begin with http://"));
        }
        if url
            .path_and_query()
            .is_some_and(|path| path.as_str() != "/")
        {
            return Err(format!(
                "\"{url}\" has a path; paths are passed on as they are"
            ));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_u16()) else {
            return Err(format!("\"{url}\" has no host and port"));
        };
        Ok(Self(Arc::new(Inner {
            prefix: prefix.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            addresses: ArcSwap::default(),
            turn: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        })))
    }
}

impl PartialEq for Site {
    fn eq(&self, other: &Self) -> bool {
        self.0.prefix == other.0.prefix
    }
}

impl Eq for Site {}

impl Site {
    /// What paths begin with that go there.
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// The same origin, for so many requests at once.
    #[must_use]
    pub fn with_places(&self, places: usize) -> Self {
        let places = places.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            prefix: self.0.prefix.clone(),
            host: self.0.host.clone(),
            port: self.0.port,
            addresses: ArcSwap::default(),
            turn: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(places)),
        }))
    }

    /// A place for one request.
    ///
    /// # Errors
    /// `ServiceOverloaded` when there is none.
    pub fn place(&self) -> Result<Place, Refusal> {
        Arc::clone(&self.0.places)
            .try_acquire_owned()
            .map(|permit| Place { _permit: permit })
            .map_err(|_| Refusal::ServiceOverloaded)
    }

    /// Where a request goes; an answer must begin, and go on, within
    /// `read_timeout`.
    ///
    /// # Errors
    /// `UpstreamUnavailable` when the origin's name leads nowhere.
    pub fn peer(&self, read_timeout: Duration) -> Result<HttpPeer, Refusal> {
        let address = self.address().ok_or(Refusal::UpstreamUnavailable)?;
        let mut peer = HttpPeer::new(address, false, String::new());
        let options = &mut peer.options;
        options.set_http_version(1, 1);
        options.connection_timeout = Some(CONNECT_TIMEOUT);
        options.total_connection_timeout = Some(CONNECT_TIMEOUT);
        options.read_timeout = Some(read_timeout);
        options.write_timeout = Some(WRITE_TIMEOUT);
        options.idle_timeout = Some(IDLE_TIMEOUT);
        Ok(peer)
    }

    fn address(&self) -> Option<SocketAddr> {
        self.address_at(self.0.turn.load(Relaxed))
    }

    fn address_at(&self, turn: usize) -> Option<SocketAddr> {
        let addresses = self.0.addresses.load();
        let turn = turn.checked_rem(addresses.len())?;
        addresses.get(turn).copied()
    }

    /// An address cannot be reached: another one is asked from now on. Says
    /// whether there is one.
    pub fn pass_over(&self, peer: &HttpPeer) -> bool {
        let asked = peer._address.as_inet();
        let turn = self.0.turn.load(Relaxed);
        if self.address_at(turn).as_ref() == asked {
            // Several may have failed at the same one: one of them goes on.
            let next = turn.wrapping_add(1);
            let _ = self.0.turn.compare_exchange(turn, next, Relaxed, Relaxed);
        }
        self.address().as_ref() != asked
    }

    /// Looks the name up once.
    pub async fn look_up(&self) {
        let Inner {
            prefix,
            host,
            port,
            addresses,
            ..
        } = &*self.0;
        match tokio::net::lookup_host((host.as_str(), *port)).await {
            Ok(found) => {
                let mut found: Vec<_> = found.collect();
                found.sort_unstable(); // answers come in any order
                found.dedup();
                if found.is_empty() {
                    // Those that were found last stay.
                    tracing::warn!(prefix, "an origin's name leads nowhere");
                } else if **addresses.load() != found {
                    addresses.store(Arc::new(found));
                }
            }
            Err(error) => tracing::warn!(prefix, %error, "an origin's name is not found"),
        }
    }
}

/// Looks all names up again and again.
pub async fn keep_looking_up(sites: &[Site], shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.stopped() => return,
            () = tokio::time::sleep(LOOK_UP_EVERY) => {
                for site in sites {
                    site.look_up().await;
                }
            }
        }
    }
}

#[cfg(test)]
impl Site {
    /// With addresses that were found.
    pub(crate) fn at(addresses: &[SocketAddr]) -> Self {
        let site: Self = "/=http://x:1".parse().unwrap();
        site.0.addresses.store(Arc::new(addresses.to_vec()));
        site
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_reached_is_passed_over_once() {
        let second = Duration::from_secs(1);
        assert!(Site::at(&[]).peer(second).is_err());
        let addresses = ["[::1]:1", "127.0.0.1:1"].map(|text| text.parse().unwrap());
        let site = Site::at(&addresses);
        let peers = [site.peer(second).unwrap(), site.peer(second).unwrap()];
        for peer in &peers {
            assert!(site.pass_over(peer));
        }
        let next = site.peer(second).unwrap();
        assert_eq!(next._address.as_inet(), Some(&addresses[1]));
        site.0.addresses.store(Arc::new(vec![addresses[1]]));
        assert!(!site.pass_over(&next), "there is no other");
    }

    #[test]
    fn an_origin_is_a_prefix_and_an_address() {
        let site: Site = "/media=http://[::1]:8080".parse().unwrap();
        assert_eq!(site.prefix(), "/media");
        assert_eq!((site.0.host.as_str(), site.0.port), ("::1", 8080));
        assert!("/=http://origin.example:80/".parse::<Site>().is_ok());
        for bad in [
            "",
            "/media",
            "media=http://x:1",
            "/a/../b=http://x:1",
            "/a?b=http://x:1",
            "/media=https://x:1",
            "/media=http://x",
            "/media=http://x:1/path",
            "/media=x:1",
        ] {
            assert!(bad.parse::<Site>().is_err(), "{bad}");
        }
    }
}
