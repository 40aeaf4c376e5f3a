//! Sessions that were ended while tokens of theirs may still be about. It is
//! told of them by event and asked at each request; it asks nobody.

use std::time::Duration;

use moka::{policy::EvictionPolicy, sync::Cache};
use uuid::Uuid;

/// An access token lives 15 minutes; clocks may be a little apart.
pub const TOKEN_LIFETIME: Duration = Duration::from_mins(16);
/// Sessions that are remembered; beyond that the oldest are forgotten.
const MAX_SESSIONS: u64 = 1_000_000;

/// The ended sessions.
#[derive(Debug)]
pub struct Revocations {
    sessions: Cache<Uuid, ()>,
}

impl Revocations {
    /// None so far.
    pub fn new() -> Self {
        Self {
            sessions: Cache::builder()
                .max_capacity(MAX_SESSIONS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(TOKEN_LIFETIME)
                .build(),
        }
    }

    /// From now on tokens of this session are refused.
    pub fn add(&self, session: Uuid) {
        self.sessions.insert(session, ());
    }

    /// Whether the session was ended.
    pub fn contains(&self, session: &Uuid) -> bool {
        self.sessions.contains_key(session)
    }

    /// How many are remembered, roughly.
    pub fn count(&self) -> u64 {
        self.sessions.entry_count()
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}
