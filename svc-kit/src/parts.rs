//! The parts of a process: its server, its relay, its consumers, its jobs.
//! They run beside each other until they are told to stop. The first that
//! fails, panics or ends by itself stops the others.

use std::time::Duration;

use anyhow::anyhow;
use tokio::task::JoinSet;

use crate::Shutdown;

/// How long a part may take to stop before it is cut off: longer than a server
/// lets its calls finish, and than a handler may take.
const GRACE: Duration = Duration::from_secs(25);

/// The parts of a process.
#[must_use = "nobody waits for the parts"]
pub struct Parts {
    shutdown: Shutdown,
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
}

impl Parts {
    /// None yet; they stop when `shutdown` says so.
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            shutdown,
            running: JoinSet::new(),
        }
    }

    /// Begins to run a part.
    pub fn with(
        mut self,
        name: &'static str,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) -> Self {
        self.running.spawn(async move { (name, part.await) });
        self
    }

    /// Waits for all of them.
    ///
    /// # Errors
    /// What the first part to fail ran into.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        let shutdown = self.shutdown.clone();
        let late = async {
            shutdown.stopped().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::pin!(late);
        loop {
            let ended = tokio::select! {
                ended = self.running.join_next() => ended,
                () = &mut late => {
                    tracing::warn!(parts = self.running.len(), "parts that still run are cut off");
                    return outcome;
                }
            };
            let failure = match ended {
                None => return outcome,
                Some(Ok((_, Ok(())))) if self.shutdown.is_stopped() => continue,
                Some(Ok((name, Ok(())))) => anyhow!("{name} ended by itself"),
                Some(Ok((name, Err(error)))) => error.context(name),
                Some(Err(panic)) => anyhow::Error::from(panic).context("a part panicked"),
            };
            self.shutdown.stop();
            outcome = outcome.and(Err(failure));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until_stopped(shutdown: Shutdown) -> anyhow::Result<()> {
        shutdown.stopped().await;
        Ok(())
    }

    #[tokio::test]
    async fn parts_end_when_they_are_told_to() {
        let shutdown = Shutdown::new();
        let parts = Parts::new(shutdown.clone()).with("one", until_stopped(shutdown.clone()));
        shutdown.stop();
        assert!(parts.run().await.is_ok());
    }

    #[tokio::test]
    async fn the_first_to_fail_stops_the_others_and_is_named() {
        let shutdown = Shutdown::new();
        let parts = Parts::new(shutdown.clone())
            .with("patient", until_stopped(shutdown.clone()))
            .with("hasty", async { anyhow::bail!("out of breath") });
        let error = format!("{:#}", parts.run().await.unwrap_err());
        assert!(error.contains("hasty: out of breath"), "{error}");
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_or_panics_is_a_failure() {
        let parts = Parts::new(Shutdown::new()).with("short", async { Ok(()) });
        assert!(parts.run().await.is_err());
        let parts = Parts::new(Shutdown::new()).with("brittle", async { panic!("on purpose") });
        assert!(parts.run().await.is_err());
    }
}
