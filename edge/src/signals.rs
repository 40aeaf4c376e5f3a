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

use crate::{
    cache::Cache,
    metrics,
    revocation::{Revocations, TOKEN_LIFETIME},
};

/// How often the connection is looked at, and the gauges are set.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
    /// Listens until told to stop. It begins one token lifetime ago: whatever
    /// was revoked before has expired.
    pub async fn run(self, nats: Nats, shutdown: Shutdown) {
        let from = self.clock.now() - TOKEN_LIFETIME;
        let mut messages = broadcast::subscribe(
            &nats,
            &[
                ProductChanged::SUBJECT,
                SessionRevoked::SUBJECT,
                SigningKeyChanged::SUBJECT,
            ],
            from,
        );
        let mut connected = nats.is_connected();
        self.cache.set_deaf(!connected);
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = shutdown.stopped() => return,
                message = messages.next() => match message {
                    Some(message) => self.hear(&message),
                    None => return,
                },
                _ = look.tick() => {
                    let now = nats.is_connected();
                    if now != connected {
                        connected = now;
                        self.connection_changed(connected);
                    }
                    metrics::cache_size(self.cache.size());
                    metrics::revoked_sessions(self.revocations.count());
                }
            }
        }
    }

    /// While we are deaf, what is kept is trusted for seconds only; when we
    /// hear again, all that was kept is let go, since purges may be missing.
    fn connection_changed(&self, connected: bool) {
        if connected {
            self.cache.purge_all();
            metrics::purged_all();
            tracing::info!("hearing of changes again; the cache was emptied");
        } else {
            tracing::warn!("not hearing of changes; the cache is trusted for seconds only");
        }
        self.cache.set_deaf(!connected);
    }

    /// Does what a message says.
    pub fn hear(&self, message: &Message) {
        if let Some(changed) = message.decode::<ProductChanged>() {
            for tag in &changed.tags {
                self.cache.purge(tag);
            }
            metrics::purged_tags(changed.tags.len());
        } else if let Some(revoked) = message.decode::<SessionRevoked>() {
            match revoked.session_id.parse() {
                Ok(session) => self.revocations.add(session),
                Err(_) => tracing::error!("a revoked session has no id"),
            }
        } else if message.decode::<SigningKeyChanged>().is_some() {
            let verifier = self.verifier.clone();
            tokio::spawn(async move { verifier.refresh().await });
        } else {
            tracing::error!(subject = message.subject, "an event that makes no sense");
        }
    }
}
