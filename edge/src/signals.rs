//! What the edge hears from the services: purges, ended sessions, new keys.

use std::{sync::Arc, time::Duration};

use proto::{
    events::Event as _,
    souk::event::v1::{ProductChanged, SessionRevoked, SigningKeyChanged},
};
use svc_kit::{
    Shutdown,
    auth::Verifier,
    broadcast::{self, Message},
    clock::Clock,
    nats::Nats,
};

use tokio::time::Instant;

use crate::{
    cache::Cache,
    metrics,
    revocation::{Revocations, TOKEN_LIFETIME},
};

/// How often the connection is looked at, and the gauges are set.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How far our clock may be ahead of that of NATS.
const CLOCKS_APART: Duration = Duration::from_mins(1);
/// How long after a connection came back the subscription may take to resume.
const RESUME_WITHIN: Duration = Duration::from_secs(15);

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
        let mut changes =
            broadcast::subscribe(&nats, &[ProductChanged::SUBJECT], now - CLOCKS_APART);
        let mut hearing = Hearing::begin(&self.cache, nats.is_connected());
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = shutdown.stopped() => return,
                Some(message) = sessions.next() => {
                    self.hear(&message);
                    if message.time >= now && message.decode::<SessionRevoked>().is_some() {
                        // What was over before we began says nothing of us.
                        let delay = self.clock.now() - message.happened;
                        metrics::revoked(delay.to_std().unwrap_or_default());
                    }
                }
                Some(message) = changes.next() => self.hear(&message),
                _ = look.tick() => {
                    hearing.look(&self.cache, nats.is_connected());
                    metrics::cache_size(self.cache.size());
                    metrics::revoked_sessions(self.revocations.count());
                }
            }
        }
    }

    /// Does what a message says.
    pub fn hear(&self, message: &Message) {
        if let Some(changed) = message.decode::<ProductChanged>() {
            for tag in &changed.tags {
                self.cache.purge(tag);
            }
            metrics::purged_tags(changed.tags.len());
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
}

/// Whether changes can be heard.
#[derive(Debug)]
struct Hearing {
    connected: bool,
    /// When the subscription is sure to have resumed.
    resumed: Option<Instant>,
}

impl Hearing {
    fn begin(cache: &Cache, connected: bool) -> Self {
        cache.set_deaf(!connected);
        Self {
            connected,
            resumed: None,
        }
    }

    /// While we are deaf, what is kept is trusted for seconds only. When the
    /// connection is back, all that was kept is let go, since purges may be
    /// missing; and we count as deaf until the subscription has resumed.
    fn look(&mut self, cache: &Cache, connected: bool) {
        if connected && !self.connected {
            cache.purge_all();
            metrics::purged_all();
            self.resumed = Some(Instant::now() + RESUME_WITHIN);
            tracing::info!("changes are heard again; the cache was emptied");
        } else if !connected && self.connected {
            cache.set_deaf(true);
            self.resumed = None;
            tracing::warn!("changes are not heard; the cache is trusted for seconds only");
        }
        self.connected = connected;
        if self.resumed.is_some_and(|at| Instant::now() >= at) {
            cache.set_deaf(false);
            self.resumed = None;
        }
    }
}
