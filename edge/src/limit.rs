//! How often callers may call: a bucket for each address and one for each
//! account, in each of the methods' classes. A request needs one from each of
//! its buckets, and when one of them has none, it takes from none.
//!
//! The fleet counts together, in Redis ([`shared`]). A bucket of a busy caller
//! is not asked for each request: this edge takes some ahead of need, a lease,
//! and gives them out by itself ([`bucket`]). That Redis has no more is
//! remembered, too. So a request costs one round trip at most, and mostly none.
//!
//! While Redis is away each edge counts its share, the limit divided by the
//! number of edges ([`crate::members`]). No request fails because of Redis.
//!
//! **The bound.** With a rate `r` and a burst `b`, the fleet lets through, in
//! any time `t` with one outage of Redis in it, at most `1.5 (b + r t)`: Redis
//! gives `b + r t`, the edges start their shares of an outage with `b / 5`
//! together, Redis starts with `b / 5` after it, and `b / 16` may lie in
//! leases. Where a part of a burst is less than one request, each edge lets one
//! through. See docs/adr/0017.

pub mod bucket;
pub mod config;
pub mod rate;
pub mod shared;
pub mod standing;

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use moka::{policy::EvictionPolicy, sync::Cache};
use svc_kit::{Shutdown, id::AccountId, nats::Nats};

use self::{
    bucket::Bucket,
    config::{LimitConfig, Unknown},
    rate::Rate,
    shared::{Ask, Shared},
    standing::Standing,
};
use crate::{
    address::block, live::Live, members::Members, metrics, refusal::Refusal, route::Limit,
};

/// Addresses, and accounts, that are known at once in each class; who was quiet
/// for longest is forgotten first.
const MAX_CALLERS: u64 = 100_000;
/// The longest burst is a minute's: who was quiet for so long has all of it.
const FORGET_AFTER: Duration = Duration::from_mins(2);
/// How long an edge that begins waits to hear of others.
const SETTLE_WITHIN: Duration = Duration::from_secs(3);

const CLASSES: [Limit; 4] = [Limit::Read, Limit::Write, Limit::Search, Limit::Auth];

/// This edge's clock: it only goes forward, whatever happens to the day's time.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts after zero, so that there is a time before.
    const HEAD_START_US: u64 = 3_600_000_000;

    /// Starts.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Microseconds.
    pub fn now_us(self) -> u64 {
        let passed = u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX / 2);
        Self::HEAD_START_US + passed
    }
}

/// The limits of all classes.
#[derive(Debug)]
pub struct Limits {
    classes: [Live<Class>; CLASSES.len()],
    shared: Arc<Shared>,
    members: Members,
    watch: Stopwatch,
}

#[derive(Debug)]
struct Class {
    name: &'static str,
    index: usize,
    address: Option<Rate>,
    account: Option<Rate>,
    /// What is told of them: alone, alone, and together.
    policies: [Option<HeaderValue>; 3],
    shadow: bool,
    unknown: Unknown,
    addresses: Cache<IpAddr, Arc<Bucket>>,
    accounts: Cache<AccountId, Arc<Bucket>>,
}

/// One of the buckets that a request needs.
#[derive(Debug, Clone)]
struct Need {
    whose: Whose,
    rate: Rate,
    bucket: Arc<Bucket>,
}

#[derive(Debug, Clone, Copy)]
enum Whose {
    Address(IpAddr),
    Account(AccountId),
}

impl Whose {
    /// As a policy's name.
    fn kind(self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Account(_) => "account",
        }
    }
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// Redis, just now.
    Redis,
    /// What Redis gave before.
    Lease,
    /// A refusal, which still holds.
    Memory,
    /// This edge's own count.
    Local,
    /// The choice for when nothing is known.
    Unknown,
}

impl Decider {
    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Lease => "lease",
            Self::Memory => "memory",
            Self::Local => "local",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug)]
struct Decision {
    decider: Decider,
    outcome: Result<(), Refusal>,
}

impl Decision {
    fn pass(decider: Decider) -> Self {
        Self {
            decider,
            outcome: Ok(()),
        }
    }

    fn refuse(decider: Decider, retry_after: Duration) -> Self {
        Self {
            decider,
            outcome: Err(Refusal::Throttled { retry_after }),
        }
    }
}

/// What came of counting a request.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What the caller is told; nothing where no limit is enforced.
    pub standing: Option<Standing>,
    /// Why the request does not go on.
    pub refusal: Option<Refusal>,
    /// It would have been refused, were the limit enforced.
    pub shadow_refused: bool,
}

/// Leased ones that a request holds until it has all that it needs.
struct Held<'a>(Vec<&'a Need>);

impl Held<'_> {
    fn spend(mut self) {
        self.0.clear();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for need in &self.0 {
            need.bucket.keep(1);
        }
    }
}

impl Limits {
    /// Counts from nothing. Redis need not be there yet.
    ///
    /// # Errors
    /// When its address is malformed.
    pub async fn new(config: &LimitConfig) -> anyhow::Result<Self> {
        let watch = Stopwatch::start();
        let classes = [0, 1, 2, 3].map(|index| Live::new(Class::new(config, index)));
        let prefixes = classes
            .iter()
            .map(|class| format!("{{edge:{}:{}}}", config.fleet, class.load().name))
            .collect();
        let timeout = Duration::from_millis(config.rate_redis_timeout_ms);
        let shared = Shared::connect(config.redis_url.as_ref(), timeout, prefixes, watch).await?;
        Ok(Self {
            classes,
            shared: Arc::new(shared),
            members: Members::new(&config.fleet),
            watch,
        })
    }

    /// Counts by other limits from now on. What Redis has counted stays; an edge
    /// that counts alone begins anew where a limit has changed.
    pub fn change(&self, config: &LimitConfig) {
        for (index, class) in self.classes.iter().enumerate() {
            let changed = Class::new(config, index).after(&class.load());
            class.store(changed);
        }
    }

    /// Looks after Redis and the other edges until told to stop.
    pub async fn run(&self, nats: Nats, shutdown: Shutdown) {
        tokio::join!(
            self.shared.run(shutdown.clone()),
            self.members.run(&nats, &shutdown),
        );
    }

    /// Whether this edge counts by itself: Redis is away.
    pub fn is_alone(&self) -> bool {
        self.shared.alone_since_us().is_some()
    }

    /// Whether it is known by now how to count, or nobody can say: an edge that
    /// has just begun hears of the others within moments.
    pub fn is_settled(&self) -> bool {
        !self.is_alone() || self.edges().is_some() || self.watch.0.elapsed() > SETTLE_WITHIN
    }

    /// How many edges share the limits, if that is known.
    pub fn edges(&self) -> Option<u64> {
        self.members.count()
    }

    /// Refuses an address of which it is known already that it called too
    /// often: before anything is done for it, such as checking a token.
    pub fn recall(&self, limit: Limit, address: IpAddr) -> Option<Verdict> {
        let class = self.class(limit);
        if class.shadow {
            return None; // it is counted as all others are
        }
        let needs = class.needs(address, None);
        let decision = remembered(&needs, self.watch.now_us())?;
        Some(self.judge(&class, &needs, decision))
    }

    /// Counts a request of an address and, where its token was checked, of an
    /// account.
    pub async fn count(
        &self,
        limit: Limit,
        address: IpAddr,
        account: Option<AccountId>,
    ) -> Verdict {
        let class = self.class(limit);
        let needs = class.needs(address, account);
        if needs.is_empty() {
            return Verdict::default();
        }
        let decision = self.decide(&class, &needs).await;
        self.judge(&class, &needs, decision)
    }

    async fn decide(&self, class: &Class, needs: &[Need]) -> Decision {
        let now_us = self.watch.now_us();
        if let Some(decision) = remembered(needs, now_us) {
            return decision;
        }
        let (held, missing): (Vec<&Need>, Vec<&Need>) =
            needs.iter().partition(|need| need.bucket.take_leased());
        let held = Held(held); // put back unless spent, also when the caller leaves
        if missing.is_empty() {
            held.spend();
            for need in needs {
                self.lease_ahead(class, need, now_us);
            }
            return Decision::pass(Decider::Lease);
        }
        let decision = match self.ask(class, &missing, now_us).await {
            Some(decision) => decision,
            None => self.decide_alone(class, &missing),
        };
        if decision.outcome.is_ok() {
            held.spend();
        }
        decision
    }

    /// Asks Redis; `None` when it does not answer.
    async fn ask(&self, class: &Class, missing: &[&Need], now_us: u64) -> Option<Decision> {
        let edges = self.members.count().unwrap_or(1);
        let wants = missing
            .iter()
            .map(|need| need.bucket.want(need.rate.lease(edges)));
        let (wants, _leasing): (Vec<u64>, Vec<_>) = wants.unzip();
        let asks = missing.iter().zip(wants);
        let asks: Vec<Ask> = asks.map(|(need, want)| need.ask(want)).collect();
        let taken = self.shared.take(class.index, &asks).await.ok()?;
        let all = taken.iter().all(|taken| taken.granted > 0);
        let mut wait = Duration::ZERO;
        for (need, taken) in missing.iter().zip(taken) {
            need.bucket.learn(need.rate, taken, now_us);
            if all {
                need.bucket.keep(taken.granted - 1);
            } else if taken.granted == 0 {
                wait = wait.max(Duration::from_micros(need.rate.wait_us(taken.used_us)));
            }
        }
        Some(if all {
            Decision::pass(Decider::Redis)
        } else {
            Decision::refuse(Decider::Redis, wait)
        })
    }

    /// Takes a lease behind the caller's back, before the last one is used up.
    fn lease_ahead(&self, class: &Class, need: &Need, now_us: u64) {
        if self.shared.alone_since_us().is_some() {
            return;
        }
        let Some((want, leasing)) = need.bucket.want_ahead(now_us) else {
            return;
        };
        let (shared, need, class) = (Arc::clone(&self.shared), need.clone(), class.index);
        tokio::spawn(async move {
            let asks = [need.ask(want)];
            if let Ok(taken) = shared.take(class, &asks).await {
                for taken in taken {
                    need.bucket.learn(need.rate, taken, now_us);
                    need.bucket.keep(taken.granted);
                }
            }
            drop(leasing);
        });
    }

    /// Counts by this edge's own share.
    fn decide_alone(&self, class: &Class, needs: &[&Need]) -> Decision {
        let edges = match (self.members.count(), class.unknown) {
            (Some(edges), _) => edges,
            (None, Unknown::Local) => 1,
            (None, Unknown::Allow) => return Decision::pass(Decider::Unknown),
            (None, Unknown::Deny) => {
                return Decision {
                    decider: Decider::Unknown,
                    outcome: Err(Refusal::LimitsUnavailable),
                };
            }
        };
        let now_us = self.watch.now_us();
        let since_us = self.shared.alone_since_us().unwrap_or(now_us);
        for (n, need) in needs.iter().enumerate() {
            let share = need.rate.share(edges);
            let cautious_us = since_us + share.caution_us();
            if let Err(wait) = need.bucket.take_local(share, now_us, cautious_us) {
                for taken in needs.iter().take(n) {
                    taken.bucket.return_local(taken.rate.share(edges));
                }
                return Decision::refuse(Decider::Local, wait);
            }
        }
        Decision::pass(Decider::Local)
    }

    /// Counts a decision, and makes of it what the caller hears.
    fn judge(&self, class: &Class, needs: &[Need], decision: Decision) -> Verdict {
        let outcome = match (&decision.outcome, class.shadow) {
            (Ok(()), _) => "allowed",
            (Err(_), false) => "refused",
            (Err(_), true) => "shadow",
        };
        metrics::rate_decided(class.name, decision.decider.name(), outcome);
        if class.shadow {
            return Verdict {
                shadow_refused: decision.outcome.is_err(),
                ..Verdict::default()
            };
        }
        Verdict {
            standing: self.standing(class, needs),
            refusal: decision.outcome.err(),
            shadow_refused: false,
        }
    }

    fn standing(&self, class: &Class, needs: &[Need]) -> Option<Standing> {
        let edges = self
            .shared
            .alone_since_us()
            .map(|_| self.members.count().unwrap_or(1));
        let left = needs.iter().map(|need| {
            let rate = edges.map_or(need.rate, |edges| need.rate.share(edges));
            (need.whose.kind(), rate, &*need.bucket)
        });
        let policy = match needs {
            [] => None,
            [need] => match need.whose {
                Whose::Address(_) => class.policies[0].clone(),
                Whose::Account(_) => class.policies[1].clone(),
            },
            _ => class.policies[2].clone(),
        };
        Some(Standing {
            policy: policy?,
            left: standing::left(left, self.watch.now_us())?,
        })
    }

    fn class(&self, limit: Limit) -> Arc<Class> {
        Arc::clone(&self.classes[index(limit)].load())
    }
}

fn index(limit: Limit) -> usize {
    match limit {
        Limit::Read => 0,
        Limit::Write => 1,
        Limit::Search => 2,
        Limit::Auth => 3,
    }
}

/// Refuses what is known to be refused.
fn remembered(needs: &[Need], now_us: u64) -> Option<Decision> {
    needs
        .iter()
        .filter_map(|need| need.bucket.empty_for(now_us))
        .max()
        .map(|wait| Decision::refuse(Decider::Memory, wait))
}

impl Class {
    fn new(config: &LimitConfig, index: usize) -> Self {
        let limit = CLASSES[index];
        let rate = |count| {
            NonZeroU32::new(count).map(|count| Rate::per_minute(count, config.rate_burst_seconds))
        };
        let address = rate(config.of_address(limit));
        let account = rate(config.of_account(limit));
        let of_address = address.map(|rate| ("address", rate));
        let of_account = account.map(|rate| ("account", rate));
        let policy = |buckets: [Option<(&str, Rate)>; 2]| {
            standing::policy(&buckets.into_iter().flatten().collect::<Vec<_>>())
        };
        Self {
            name: match limit {
                Limit::Read => "read",
                Limit::Write => "write",
                Limit::Search => "search",
                Limit::Auth => "auth",
            },
            index,
            address,
            account,
            policies: [
                policy([of_address, None]),
                policy([None, of_account]),
                policy([of_address, of_account]),
            ],
            shadow: config.is_shadow(limit),
            unknown: config.unknown(limit),
            addresses: callers(),
            accounts: callers(),
        }
    }

    /// Goes on with the buckets of the class before, where the limit is the
    /// same: what they hold and remember is told by its rate.
    fn after(mut self, before: &Self) -> Self {
        if self.address == before.address {
            self.addresses = before.addresses.clone();
        }
        if self.account == before.account {
            self.accounts = before.accounts.clone();
        }
        self
    }

    /// The buckets of a request that are limited.
    fn needs(&self, address: IpAddr, account: Option<AccountId>) -> Vec<Need> {
        let mut needs = Vec::new();
        if let Some(rate) = self.address {
            let address = block(address);
            needs.push(Need {
                whose: Whose::Address(address),
                rate,
                bucket: self.addresses.get_with(address, Arc::default),
            });
        }
        if let (Some(rate), Some(account)) = (self.account, account) {
            needs.push(Need {
                whose: Whose::Account(account),
                rate,
                bucket: self.accounts.get_with(account, Arc::default),
            });
        }
        needs
    }
}

impl Need {
    fn ask(&self, want: u64) -> Ask {
        Ask {
            name: match self.whose {
                Whose::Address(address) => format!("address:{address}"),
                Whose::Account(account) => format!("account:{account}"),
            },
            rate: self.rate,
            want,
        }
    }
}

fn callers<K: std::hash::Hash + Eq + Send + Sync + 'static>() -> Cache<K, Arc<Bucket>> {
    Cache::builder()
        .max_capacity(MAX_CALLERS)
        .eviction_policy(EvictionPolicy::lru())
        .time_to_idle(FORGET_AFTER)
        .build()
}
