//! How many requests an address may send, by the method's class. It counts in
//! this process only; the fleet's common count takes this place's [`Limits::check`].

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use moka::{policy::EvictionPolicy, sync::Cache};

use crate::{address::block, refusal::Refusal, route::Limit};

/// Addresses that are counted at once, in each class; the one that was quiet
/// for longest is forgotten first.
const MAX_ADDRESSES: u64 = 100_000;
/// A quota is for a minute: who was quiet for so long has all of it again.
const FORGET_AFTER: Duration = Duration::from_mins(2);

/// Requests a minute, by class; 0 lifts the limit.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitConfig {
    /// Cheap reads that an address may send in a minute; 0 lifts the limit.
    #[arg(long, env = "SOUK_EDGE_RATE_READ_PER_MINUTE", default_value_t = 6000)]
    pub rate_read_per_minute: u32,
    /// Changes that an address may send in a minute; 0 lifts the limit.
    #[arg(long, env = "SOUK_EDGE_RATE_WRITE_PER_MINUTE", default_value_t = 1200)]
    pub rate_write_per_minute: u32,
    /// Searches that an address may send in a minute; 0 lifts the limit.
    #[arg(long, env = "SOUK_EDGE_RATE_SEARCH_PER_MINUTE", default_value_t = 1200)]
    pub rate_search_per_minute: u32,
    /// Log-ins and the like that an address may send in a minute; 0 lifts the limit.
    #[arg(long, env = "SOUK_EDGE_RATE_AUTH_PER_MINUTE", default_value_t = 60)]
    pub rate_auth_per_minute: u32,
}

/// The limits of all classes.
#[derive(Debug)]
pub struct Limits {
    read: Option<Class>,
    write: Option<Class>,
    search: Option<Class>,
    auth: Option<Class>,
    clock: DefaultClock,
}

#[derive(Debug)]
struct Class {
    quota: Quota,
    addresses: Cache<IpAddr, Arc<DefaultDirectRateLimiter>>,
}

impl Class {
    fn new(per_minute: u32) -> Option<Self> {
        let addresses = Cache::builder()
            .max_capacity(MAX_ADDRESSES)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(FORGET_AFTER)
            .build();
        NonZeroU32::new(per_minute).map(|per_minute| Self {
            quota: Quota::per_minute(per_minute),
            addresses,
        })
    }
}

impl Limits {
    /// Counts from nothing.
    pub fn new(config: &LimitConfig) -> Self {
        Self {
            read: Class::new(config.rate_read_per_minute),
            write: Class::new(config.rate_write_per_minute),
            search: Class::new(config.rate_search_per_minute),
            auth: Class::new(config.rate_auth_per_minute),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// `Throttled` when the address has used up its minute.
    pub fn check(&self, limit: Limit, address: IpAddr) -> Result<(), Refusal> {
        let class = match limit {
            Limit::Read => &self.read,
            Limit::Write => &self.write,
            Limit::Search => &self.search,
            Limit::Auth => &self.auth,
        };
        let Some(class) = class else {
            return Ok(());
        };
        let bucket = class.addresses.get_with(block(address), || {
            Arc::new(RateLimiter::direct(class.quota))
        });
        bucket.check().map_err(|until| Refusal::Throttled {
            retry_after: until.wait_time_from(self.clock.now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_and_each_class_has_its_own_count() {
        let limits = Limits::new(&LimitConfig {
            rate_read_per_minute: 0,
            rate_write_per_minute: 5,
            rate_search_per_minute: 5,
            rate_auth_per_minute: 2,
        });
        let (one, other) = ([1, 1, 1, 1].into(), [2, 2, 2, 2].into());
        assert_eq!(limits.check(Limit::Auth, one), Ok(()));
        assert_eq!(limits.check(Limit::Auth, one), Ok(()));
        let Err(Refusal::Throttled { retry_after }) = limits.check(Limit::Auth, one) else {
            panic!("the third is over the limit");
        };
        assert!(retry_after > Duration::from_secs(20) && retry_after <= Duration::from_secs(30));
        assert_eq!(limits.check(Limit::Auth, other), Ok(()));
        assert_eq!(limits.check(Limit::Write, one), Ok(()));
        for _ in 0..1000 {
            assert_eq!(limits.check(Limit::Read, one), Ok(()), "0 lifts the limit");
        }
    }
}
