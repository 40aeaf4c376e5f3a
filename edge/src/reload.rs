//! Changes the configuration of the running edge on SIGHUP. All of it is
//! checked first: when anything is wrong, nothing is changed.
//!
//! A part joins with the names of its flags and a function that makes what
//! takes the place of the old. What no part takes needs a restart.

use std::collections::BTreeSet;

use anyhow::Context as _;
use svc_kit::Shutdown;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    config::Config,
    config_file::{Source, Values},
    live::Live,
    metrics,
};

/// Puts what was prepared in place; it cannot fail.
pub type Apply = Box<dyn FnOnce() + Send>;

type Prepare = Box<dyn Fn(&Config) -> anyhow::Result<Apply> + Send + Sync>;

struct Part {
    keys: &'static [&'static str],
    prepare: Prepare,
}

/// The parts that can change.
pub struct Reload {
    source: Source,
    parts: Vec<Part>,
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}

/// What a reload did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Settings that have changed.
    pub changed: BTreeSet<String>,
    /// Settings that would change with a restart.
    pub needs_restart: BTreeSet<String>,
}

impl Reload {
    /// Nothing can change yet.
    pub fn new(config: &Config) -> Self {
        Self {
            source: config.source.clone(),
            parts: Vec::new(),
        }
    }

    /// Lets a value be made anew when one of its settings has changed.
    pub fn live<T: Send + Sync + 'static>(
        &mut self,
        keys: &'static [&'static str],
        live: &Live<T>,
        make: impl Fn(&Config) -> anyhow::Result<T> + Send + Sync + 'static,
    ) {
        let live = live.clone();
        self.part(keys, move |config| {
            let (live, value) = (live.clone(), make(config)?);
            Ok(Box::new(move || live.store(value)))
        });
    }

    /// Lets a part change in a way of its own when one of its settings has.
    pub fn part(
        &mut self,
        keys: &'static [&'static str],
        prepare: impl Fn(&Config) -> anyhow::Result<Apply> + Send + Sync + 'static,
    ) {
        self.parts.push(Part {
            keys,
            prepare: Box::new(prepare),
        });
    }

    /// Reads the configuration again and applies what has changed.
    ///
    /// # Errors
    /// When anything in it is wrong; then nothing has changed.
    pub fn reload(&mut self) -> anyhow::Result<Reloaded> {
        let fresh = self.source.load_again()?;
        fresh.source.tell_overridden();
        let differs = differing(&self.source.values, &fresh.source.values);
        let mut applies = Vec::new();
        let mut changed = BTreeSet::new();
        for part in &self.parts {
            let keys = part.keys.iter().map(|key| (*key).to_owned());
            let keys: BTreeSet<_> = keys.filter(|key| differs.contains(key)).collect();
            if let Some(first) = keys.first() {
                let apply = (part.prepare)(&fresh).with_context(|| first.clone())?;
                applies.push(apply);
                changed.extend(keys);
            }
        }
        for apply in applies {
            apply();
        }
        for key in &changed {
            match fresh.source.values.get(key) {
                Some(values) => self.source.values.insert(key.clone(), values.clone()),
                None => self.source.values.remove(key),
            };
        }
        Ok(Reloaded {
            needs_restart: differs.difference(&changed).cloned().collect(),
            changed,
        })
    }

    /// Reloads on each SIGHUP, and does `also`.
    ///
    /// # Errors
    /// When the signal cannot be heard.
    pub async fn on_signal(
        mut self,
        also: impl Fn() + Clone + Send + 'static,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let mut hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
        loop {
            tokio::select! {
                () = shutdown.stopped() => return Ok(()),
                _ = hangup.recv() => {}
            }
            let also = also.clone();
            // Files are read.
            self = tokio::task::spawn_blocking(move || {
                report(self.reload());
                also();
                self
            })
            .await
            .context("reloading")?;
        }
    }
}

fn differing(before: &Values, after: &Values) -> BTreeSet<String> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect()
}

fn report(outcome: anyhow::Result<Reloaded>) {
    match outcome {
        Ok(Reloaded {
            changed,
            needs_restart,
        }) => {
            metrics::config_reloaded("applied");
            tracing::info!(?changed, "configuration reloaded");
            if !needs_restart.is_empty() {
                tracing::warn!(?needs_restart, "some settings change only with a restart");
            }
        }
        Err(error) => {
            metrics::config_reloaded("refused");
            let error = format!("{error:#}");
            tracing::error!(error, "configuration refused; nothing has changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::{access_log, limit::config::LimitConfig, upstream::UpstreamConfig};

    #[test]
    fn what_can_change_is_a_setting() {
        let command = Config::command();
        let keys = [
            access_log::KEYS,
            LimitConfig::LIVE_KEYS,
            UpstreamConfig::LIVE_KEYS,
        ];
        for key in keys.concat() {
            let mut settings = command.get_arguments();
            assert!(
                settings.any(|setting| setting.get_long() == Some(key)),
                "{key}"
            );
        }
    }
}
