//! Stops guessing at one account's password.
//!
//! After [`FAILURES_MAX`] wrong passwords for an address within [`WINDOW`], no
//! further one is looked at until the window has passed, not even the right
//! one. Addresses without an account are counted alike, so that a lock tells
//! nothing. The price is that a stranger can lock somebody out for a window;
//! the edge's limit per network address makes that dear.
//!
//! The counters are shared in Redis. While Redis is away, each replica counts
//! on its own, in bounded memory. The count is read before the password is
//! looked at and raised after it, so guesses sent at once can pass it together:
//! as many as the hasher takes at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use fred::clients::Pool;
use sha2::{Digest as _, Sha256};
use svc_kit::clock::Clock;

use crate::{account::Email, error::Error, store::login_failures::LoginFailures};

/// The wrong passwords after which an address is locked.
pub const FAILURES_MAX: u32 = 10;

/// How long they are remembered, from the first on.
pub const WINDOW: Duration = Duration::from_mins(15);

/// The most addresses that a replica counts on its own.
const LOCAL_MAX: usize = 10_000;

/// Counts failures by address. Clones share the counters.
#[derive(Clone)]
pub struct Lockout {
    shared: LoginFailures,
    local: Arc<Mutex<Local>>,
    clock: Clock,
}

impl Lockout {
    /// Counters in this Redis.
    pub fn new(redis: Pool, clock: Clock) -> Self {
        Self {
            shared: LoginFailures::new(redis),
            local: Arc::default(),
            clock,
        }
    }

    /// Asks whether a password for this address may be looked at; tells how
    /// many failures are remembered.
    ///
    /// # Errors
    /// `Throttled` when the address is locked.
    pub async fn check(&self, email: &Email) -> Result<u32, Error> {
        let name = name(email);
        let now = self.clock.now();
        let (local, local_left) = self.local(|local| local.read(&name, now));
        let (shared, shared_left) = self.shared.read(&name).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "failed log-ins are counted by this replica alone");
            (0, Duration::ZERO)
        });
        let failures = local.saturating_add(shared);
        if failures < FAILURES_MAX {
            return Ok(failures);
        }
        tracing::warn!("an address is locked after too many failed log-ins");
        Err(Error::LoginLocked {
            retry_after: local_left.max(shared_left).max(Duration::from_secs(1)),
        })
    }

    /// Remembers a failure.
    pub async fn failed(&self, email: &Email) {
        let name = name(email);
        if self.shared.count(&name, WINDOW).await.is_err() {
            let now = self.clock.now();
            self.local(|local| local.count(name, now));
        }
    }

    /// Forgets the failures: the owner has come.
    pub async fn succeeded(&self, email: &Email) {
        let name = name(email);
        self.local(|local| local.0.remove(&name));
        if let Err(error) = self.shared.forget(&name).await {
            tracing::warn!(%error, "failed log-ins are not forgotten before their time");
        }
    }

    fn local<T>(&self, work: impl FnOnce(&mut Local) -> T) -> T {
        work(&mut self.local.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What an address is counted under: Redis need not know it.
fn name(email: &Email) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(email.as_str()))
}

/// Counters of one replica: how many, until when.
#[derive(Default)]
struct Local(HashMap<String, (u32, DateTime<Utc>)>);

impl Local {
    fn read(&self, name: &str, now: DateTime<Utc>) -> (u32, Duration) {
        match self.0.get(name) {
            Some((count, until)) if *until > now => {
                (*count, (*until - now).to_std().unwrap_or_default())
            }
            _ => (0, Duration::ZERO),
        }
    }

    fn count(&mut self, name: String, now: DateTime<Utc>) {
        if self.0.len() >= LOCAL_MAX && !self.0.contains_key(&name) {
            self.0.retain(|_, (_, until)| *until > now);
            if self.0.len() >= LOCAL_MAX {
                return; // the hasher's bound still holds
            }
        }
        let entry = self.0.entry(name).or_insert((0, now + WINDOW));
        if entry.1 <= now {
            *entry = (0, now + WINDOW);
        }
        entry.0 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_replica_forgets_when_the_window_has_passed() {
        let mut local = Local::default();
        local.count("ada".to_owned(), at(0));
        local.count("ada".to_owned(), at(60));
        let left = WINDOW.saturating_sub(Duration::from_mins(1));
        assert_eq!(local.read("ada", at(60)), (2, left));
        assert_eq!(local.read("ada", at(0) + WINDOW).0, 0);
        local.count("ada".to_owned(), at(0) + WINDOW);
        assert_eq!(local.read("ada", at(0) + WINDOW).0, 1);
    }

    #[test]
    fn a_replica_counts_a_bounded_number_of_addresses() {
        let mut local = Local::default();
        for n in 0..=LOCAL_MAX {
            local.count(n.to_string(), at(0));
        }
        assert_eq!(local.0.len(), LOCAL_MAX);
        local.count("ada".to_owned(), at(0) + WINDOW);
        assert_eq!(local.0.len(), 1);
    }
}
