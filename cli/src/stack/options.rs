//! What a stack is started with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Ports, Process};

/// Hears of each step that is done, in one line for people.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Listener>>);

type Listener = dyn Fn(&str) + Send + Sync;

impl Progress {
    /// Nobody listens.
    pub const fn silent() -> Self {
        Self(None)
    }

    /// Calls back with each line.
    pub fn to(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Tells of a step.
    pub(crate) fn say(&self, line: &str) {
        if let Some(listener) = &self.0 {
            listener(line);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "heard" } else { "silent" })
    }
}

/// How [`Servers`](super::Servers) are started.
#[derive(Clone, Debug)]
pub struct ServersOptions {
    /// Their folder; made when missing, readable for its owner alone.
    pub dir: PathBuf,
    /// Their ports.
    pub ports: Ports,
    /// Whether the data of the run before stays.
    pub keep_data: bool,
    /// Whether what is acknowledged survives a power cut; tests go faster
    /// without.
    pub durable: bool,
    /// Whether NATS wants a password; tests that speak its protocol by hand go
    /// without.
    pub nats_password: bool,
    /// Who hears of the steps.
    pub progress: Progress,
}

/// How a [`Stack`](super::Stack) is started.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// Its folder; made when missing, readable for its owner alone.
    pub dir: PathBuf,
    /// Its ports.
    pub ports: Ports,
    /// Whether the data of the run before stays.
    pub keep_data: bool,
    /// Whether what is acknowledged survives a power cut.
    pub durable: bool,
    /// Where mail goes, as `smtp://host:port`; without it, to files.
    pub smtp: Option<String>,
    /// The folder of mail that goes to files; without it, `mail` in `dir`.
    pub mail_dir: Option<PathBuf>,
    /// A Meilisearch that runs already.
    pub meilisearch: Option<MeilisearchAt>,
    /// Whether a `meilisearch` binary on the PATH is started.
    pub start_meilisearch: bool,
    /// The folder of the services' binaries; without it, where they are built.
    pub binaries: Option<PathBuf>,
    /// More environment: for one process, or for all of ours.
    pub extra_env: Vec<(Option<Process>, String, String)>,
    /// Who hears of the steps.
    pub progress: Progress,
}

/// A Meilisearch somebody else runs.
#[derive(Clone)]
pub struct MeilisearchAt {
    /// Its address.
    pub url: String,
    /// Its key, when it wants one.
    pub key: Option<String>,
}

impl fmt::Debug for MeilisearchAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeilisearchAt")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl StackOptions {
    /// A stack for a test: on free ports, fresh, quick, silent.
    pub fn for_tests(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            ports: Ports::Free,
            keep_data: false,
            durable: false,
            smtp: None,
            mail_dir: None,
            meilisearch: None,
            start_meilisearch: false,
            binaries: None,
            extra_env: Vec::new(),
            progress: Progress::silent(),
        }
    }

    /// Sends mail there instead of to files.
    #[must_use]
    pub fn smtp(mut self, url: impl Into<String>) -> Self {
        self.smtp = Some(url.into());
        self
    }

    /// Takes the services' binaries from there.
    #[must_use]
    pub fn binaries(mut self, folder: impl Into<PathBuf>) -> Self {
        self.binaries = Some(folder.into());
        self
    }

    /// Sets a variable for the services and the edge.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra_env.push((None, name.into(), value.into()));
        self
    }

    /// Sets a variable for one of them.
    #[must_use]
    pub fn env_of(
        mut self,
        process: Process,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.extra_env
            .push((Some(process), name.into(), value.into()));
        self
    }
}
