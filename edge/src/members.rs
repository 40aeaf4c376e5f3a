//! How many edges there are: each says now and then that it lives, to all who
//! listen, and counts whom it heard. Nothing is kept anywhere, and a wrong
//! count harms nobody for long: limits are divided by it while Redis is away.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use svc_kit::{Shutdown, nats::Nats, random};
use tokio::time::Instant;

use crate::metrics;

/// How often an edge says that it lives.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Who was not heard for so long is gone.
const HEARD_WITHIN: Duration = Duration::from_millis(3500);
/// How long a count is of use after this edge last heard itself.
const KNOWN_FOR: Duration = Duration::from_mins(10);
/// How long to wait before listening again after it failed.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// Edges that are counted; beyond that new ones are not.
const MAX_MEMBERS: usize = 4096;

type Id = [u8; 16];

/// The edges of a fleet, as one of them knows them.
#[derive(Debug)]
pub struct Members {
    subject: String,
    me: Id,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    heard: HashMap<Id, Instant>,
    count: u64,
    /// When this edge last heard itself: then it hears the others as well.
    hearing: Option<Instant>,
    /// Until then the count may not fall: the others had no time yet to be heard.
    settled: Option<Instant>,
}

impl Members {
    /// Of the fleet of this name. Nobody is known yet.
    pub fn new(fleet: &str) -> Self {
        Self {
            // No stream keeps it.
            subject: format!("souk-edge.{fleet}.members"),
            me: random::bytes(),
            known: Mutex::default(),
        }
    }

    /// How many edges there are, this one included; `None` when that was never
    /// known, or too long ago.
    pub fn count(&self) -> Option<u64> {
        let known = self.known();
        known
            .hearing
            .filter(|hearing| hearing.elapsed() < KNOWN_FOR)
            .map(|_| known.count)
    }

    /// Speaks and listens until told to stop.
    pub async fn run(&self, nats: &Nats, shutdown: &Shutdown) {
        let listen = async {
            loop {
                if let Err(error) = self.listen(nats).await {
                    tracing::warn!(%error, "other edges are not heard; listening again");
                }
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        };
        tokio::select! {
            () = shutdown.stopped() => {}
            () = listen => {}
        }
    }

    async fn listen(&self, nats: &Nats) -> anyhow::Result<()> {
        let mut heard = nats.listen(&self.subject).await?;
        let mut beat = tokio::time::interval(BEAT_EVERY);
        loop {
            let speak = tokio::select! {
                _ = beat.tick() => true,
                message = heard.next() => {
                    let Some(message) = message else { return Ok(()) };
                    // Who is new wants to know of us.
                    Id::try_from(&message[..]).is_ok_and(|id| self.hear(id, Instant::now()))
                }
            };
            if speak {
                nats.tell(&self.subject, self.me.to_vec()).await?;
            }
        }
    }

    /// Notes that an edge lives; says whether it is one that was not known, and
    /// not this one.
    fn hear(&self, id: Id, now: Instant) -> bool {
        let mut known = self.known();
        let is_new = !known.heard.contains_key(&id);
        if is_new && known.heard.len() >= MAX_MEMBERS {
            return false;
        }
        known.heard.insert(id, now);
        if id == self.me {
            let gap = known.hearing.map(|hearing| now - hearing);
            if gap.is_some_and(|gap| gap > HEARD_WITHIN) {
                known.settled = Some(now + HEARD_WITHIN);
            }
            known.hearing = Some(now);
            if known.settled.is_none_or(|settled| now >= settled) {
                known.settled = None;
                known.heard.retain(|_, heard| now - *heard <= HEARD_WITHIN);
                known.count = 0;
            }
        }
        let count = known.heard.len() as u64;
        known.count = known.count.max(count);
        metrics::fleet_size(known.count);
        is_new && id != self.me
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Id = [1; 16];
    const TWO: Id = [2; 16];

    #[tokio::test(start_paused = true)]
    async fn it_counts_whom_it_heard_of_late() {
        let members = Members::new("test");
        let me = members.me;
        let hear = |id| members.hear(id, Instant::now());
        assert_eq!(members.count(), None, "nothing is known yet");
        assert!(!hear(me));
        assert_eq!(members.count(), Some(1));
        assert!(hear(ONE) && !hear(ONE), "new once");
        assert!(hear(TWO));
        assert_eq!(members.count(), Some(3));
        for _ in 0..4 {
            tokio::time::advance(BEAT_EVERY).await;
            hear(me);
            hear(ONE);
        }
        assert_eq!(members.count(), Some(2), "one is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_count_holds_while_nobody_is_heard_and_until_all_had_time_to_speak() {
        let members = Members::new("test");
        let me = members.me;
        let hear = |id| members.hear(id, Instant::now());
        hear(me);
        hear(ONE);
        hear(TWO);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(members.count(), Some(3));
        hear(me);
        assert_eq!(members.count(), Some(3), "the others are still to be heard");
        hear(ONE);
        for _ in 0..5 {
            tokio::time::advance(BEAT_EVERY).await;
            hear(me);
            hear(ONE);
        }
        assert_eq!(members.count(), Some(2));
        tokio::time::advance(KNOWN_FOR).await;
        assert_eq!(members.count(), None, "that was too long ago");
    }

    #[test]
    fn a_flood_of_strangers_is_bounded() {
        let members = Members::new("test");
        for n in 0..MAX_MEMBERS as u128 + 100 {
            members.hear(n.to_be_bytes(), Instant::now());
        }
        assert_eq!(members.known().heard.len(), MAX_MEMBERS);
    }
}
