//! What the edge hears: purges, ended sessions, new keys. When purges cannot
//! be heard it tells the cache, and when some were lost it empties it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use proto::{
    events::Event as _,
    souk::event::v1::{ProductChanged, PurgeRequested, SessionRevoked, SigningKeyChanged},
};
use svc_kit::{
    Shutdown,
    auth::Verifier,
    broadcast::{self, Heard, Message},
    clock::Clock,
    nats::Nats,
};
use tokio::sync::watch;

use crate::{
    cache::Cache,
    metrics,
    revocation::{Revocations, TOKEN_LIFETIME},
};

/// How often the gauges are set.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How far our clock may be ahead of that of NATS.
const CLOCKS_APART: Duration = Duration::from_mins(1);

/// What listens.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Hears of purges.
    pub cache: Arc<Cache>,
    /// Hears of ended sessions.
    pub revocations: Arc<Revocations>,
    /// Hears of new keys.
    pub verifier: Verifier,
    /// Tells how far back to listen.
    pub clock: Clock,
    /// Hears when all sessions are known that were ended before the start.
    pub replayed: watch::Sender<bool>,
}

impl Signals {
    /// Listens until told to stop. Of ended sessions it hears from one token
    /// lifetime ago on: whatever was ended before has expired. Of changes it
    /// hears from now on: the cache is empty.
    pub async fn run(self, nats: Nats, shutdown: Shutdown) {
        let now = self.clock.now();
        let mut sessions = broadcast::subscribe(
            &nats,
            &[SessionRevoked::SUBJECT, SigningKeyChanged::SUBJECT],
            now - TOKEN_LIFETIME,
        );
        let mut changes = broadcast::subscribe(
            &nats,
            &[ProductChanged::SUBJECT, PurgeRequested::SUBJECT],
            now - CLOCKS_APART,
        );
        self.cache.set_deaf(true); // until it has caught up
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = shutdown.stopped() => return,
                Some(heard) = sessions.hear() => self.hear_session(heard, now),
                Some(heard) = changes.hear() => self.hear_change(heard),
                _ = look.tick() => {
                    metrics::cache_size(self.cache.size());
                    if let Some(size) = self.cache.disk_size() {
                        metrics::cache_disk_size(size);
                    }
                    metrics::revoked_sessions(self.revocations.count());
                    metrics::caught_up("sessions", sessions.is_caught_up());
                    metrics::caught_up("purges", changes.is_caught_up());
                }
            }
        }
    }

    /// What was over before we `began` says nothing of how soon we hear.
    fn hear_session(&self, heard: Heard, began: DateTime<Utc>) {
        match heard {
            Heard::Message(message) => {
                self.hear(&message);
                if message.time >= began && message.decode::<SessionRevoked>().is_some() {
                    let delay = self.clock.now() - message.happened;
                    metrics::revoked(delay.to_std().unwrap_or_default());
                }
            }
            Heard::CaughtUp => {
                self.replayed.send_replace(true);
            }
            Heard::CutOff => tracing::warn!("ended sessions are not heard of"),
            Heard::Missed => tracing::error!(
                "the ends of some sessions may be lost; their last tokens go on for {TOKEN_LIFETIME:?}"
            ),
        }
    }

    /// While purges are not heard, what is kept is trusted for seconds only.
    /// When all that were missed have been made up for, the rest is as good as
    /// before; if they cannot be, nothing is.
    fn hear_change(&self, heard: Heard) {
        match heard {
            Heard::Message(message) => self.hear(&message),
            Heard::CaughtUp => {
                self.cache.set_deaf(false);
                tracing::info!("all purges are known; the cache is trusted");
            }
            Heard::CutOff => {
                self.cache.set_deaf(true);
                tracing::warn!("purges are not heard; the cache is trusted for seconds only");
            }
            Heard::Missed => {
                self.cache.purge_all();
                metrics::purged_all();
                tracing::warn!("purges were lost; the cache was emptied");
            }
        }
    }

    /// Does what a message says.
    pub fn hear(&self, message: &Message) {
        if let Some(changed) = message.decode::<ProductChanged>() {
            self.purge(&changed.tags, false, message.time);
        } else if let Some(purge) = message.decode::<PurgeRequested>() {
            self.purge(&purge.tags, purge.soft, message.time);
        } else if let Some(revoked) = message.decode::<SessionRevoked>() {
            if let Ok(session) = revoked.session_id.parse() {
                self.revocations.add(session);
            } else {
                tracing::error!("a revoked session has no id");
            }
        } else if message.decode::<SigningKeyChanged>().is_some() {
            let verifier = self.verifier.clone();
            tokio::spawn(async move { verifier.refresh().await });
        } else {
            tracing::error!(subject = message.subject, "an event that makes no sense");
        }
    }

    fn purge(&self, tags: &[String], soft: bool, published: DateTime<Utc>) {
        for tag in tags {
            if soft {
                self.cache.purge_soft(tag);
            } else {
                self.cache.purge(tag);
            }
        }
        // Clocks may be apart: nothing is done before it is asked for.
        let delay = (self.clock.now() - published).to_std().unwrap_or_default();
        metrics::purged_tags(tags.len(), soft, delay);
    }
}
