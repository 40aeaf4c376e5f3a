//! Finds the addresses of a service's instances. A name stands for all that it
//! has, of both families, and is asked for again and again; what was found
//! last stays for as long as nobody answers.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};

use super::{choice::MAX_INSTANCES, pool::Pool, target::Target};

/// How long a name server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is asked at once.
const ASK: usize = 2;

/// Asks for names.
#[derive(Clone)]
pub struct Names(TokioResolver);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// Asks a name server, or those of the machine.
    ///
    /// # Errors
    /// When the machine's configuration cannot be read.
    pub fn new(server: Option<SocketAddr>) -> anyhow::Result<Self> {
        let mut builder = match server {
            None => TokioResolver::builder_tokio().context("the machine's name servers")?,
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = ANSWER_TIMEOUT;
        options.attempts = ASK;
        options.cache_size = 0; // we ask when we want to know
        Ok(Self(builder.build()?))
    }

    async fn addresses(&self, host: &str) -> anyhow::Result<Vec<IpAddr>> {
        let found = self.0.lookup_ip(host).await?;
        let addresses: Vec<_> = found.iter().collect();
        anyhow::ensure!(!addresses.is_empty(), "name leads nowhere");
        Ok(addresses)
    }
}

/// The addresses that a service is told to have.
#[derive(Debug, Default)]
pub struct Discovery {
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    target: Target,
    /// What was found last.
    found: Vec<IpAddr>,
}

impl Discovery {
    /// Takes in a list. What was found for those that stay is still good.
    pub fn retarget(&mut self, targets: &[Target]) {
        let is_same = |(source, target): (&Source, &Target)| source.target == *target;
        if self.sources.len() == targets.len() && self.sources.iter().zip(targets).all(is_same) {
            return;
        }
        let mut before = std::mem::take(&mut self.sources);
        let source = |target: &Target| {
            let known = before.iter().position(|source| source.target == *target);
            known.map_or_else(
                || Source {
                    target: target.clone(),
                    found: target.ip().into_iter().collect(),
                },
                |at| before.swap_remove(at),
            )
        };
        self.sources = targets.iter().map(source).collect();
    }

    /// Looks all names up once and tells the pool.
    pub async fn look_up(&mut self, names: Option<&Names>, pool: &Pool) {
        for source in &mut self.sources {
            let host = &source.target.host;
            let (None, Some(names)) = (source.target.ip(), names) else {
                continue;
            };
            match names.addresses(host).await {
                Ok(found) => source.found = found,
                Err(error) => {
                    let service = pool.service().name();
                    tracing::warn!(
                        service,
                        host,
                        error = format!("{error:#}"),
                        "name not found"
                    );
                }
            }
        }
        let addresses = self.addresses();
        if addresses.len() > MAX_INSTANCES {
            let (service, count) = (pool.service().name(), addresses.len());
            tracing::warn!(service, count, max = MAX_INSTANCES, "too many instances");
        }
        if addresses.is_empty() {
            return; // what is known is better than nothing
        }
        let kept = addresses.get(..MAX_INSTANCES).unwrap_or(&addresses);
        pool.replace(kept, Instant::now());
    }

    /// All that were found, each once, in an order that does not depend on
    /// that of the answers.
    fn addresses(&self) -> Vec<SocketAddr> {
        let of = |source: &Source| {
            let port = source.target.port;
            let addresses: Vec<_> = source
                .found
                .iter()
                .map(|ip| SocketAddr::new(*ip, port))
                .collect();
            addresses
        };
        let mut addresses: Vec<_> = self.sources.iter().flat_map(of).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(of: &[&str]) -> Vec<Target> {
        let urls = of.iter().map(|host| format!("http://{host}:1"));
        urls.map(|url| url.parse().unwrap()).collect()
    }

    #[test]
    fn what_was_found_for_those_that_stay_is_still_known() {
        let mut discovery = Discovery::default();
        discovery.retarget(&targets(&["10.0.0.1", "shop.example"]));
        let found: Vec<IpAddr> = vec!["10.0.0.2".parse().unwrap()];
        discovery.sources[1].found.clone_from(&found);
        discovery.retarget(&targets(&["shop.example", "10.0.0.3", "new.example"]));
        assert_eq!(discovery.sources[0].found, found);
        let addresses = discovery.addresses();
        let expected = ["10.0.0.2:1", "10.0.0.3:1"].map(|text| text.parse().unwrap());
        assert_eq!(addresses, expected);
    }
}
