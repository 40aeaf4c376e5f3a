//! Asks before callers do, so that an edge does not start cold: questions of a
//! list, and those that were asked most before the last stop. It must not ask
//! faster than it is told to, and never keeps the edge from starting or
//! stopping.

use std::{
    fs, io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context as _;
use svc_kit::Shutdown;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

use crate::{
    cache::Cache,
    metrics,
    question::Question,
    read_through::{ReadThrough, Warmed},
    route::Routes,
};

/// A larger file of questions is refused.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// How often they are written down: a new process that takes over, or follows
/// one that has died, reads what was written last.
const REMEMBER_EVERY: Duration = Duration::from_secs(30);
/// How many questions are remembered from one run to the next.
const MAX_REMEMBERED: usize = 1000;
/// Questions asked at once.
const MAX_AT_ONCE: usize = 16;
/// After so many failures in a row the rest is not asked.
const MAX_FAILURES: usize = 50;
/// Bad lines of a file that are told one by one.
const MAX_TOLD: usize = 100;

/// What is asked before callers do.
#[derive(Debug, Clone, clap::Args)]
pub struct WarmConfig {
    /// Questions to ask at the start, a JSONL file: {"method":
    /// "/souk.catalog.v1.CatalogService/GetProduct", "request": {"id": "…"}}
    #[arg(long = "warm-list", env = "SOUK_EDGE_WARM_LIST")]
    pub list: Option<PathBuf>,
    /// A file that keeps the questions asked most: written at the stop, and
    /// asked at the next start.
    #[arg(long = "warm-memory", env = "SOUK_EDGE_WARM_MEMORY")]
    pub memory: Option<PathBuf>,
    /// How many questions a second are asked at the start.
    #[arg(
        long = "warm-per-second",
        env = "SOUK_EDGE_WARM_PER_SECOND",
        default_value = "100"
    )]
    pub per_second: NonZeroU32,
}

/// Asks ahead.
#[derive(Debug)]
pub struct Warmer {
    files: Vec<File>,
    memory: Option<PathBuf>,
    every: Duration,
    routes: Routes,
    read_through: ReadThrough,
    cache: Arc<Cache>,
}

/// A file of questions.
#[derive(Debug)]
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// What became of the questions of a file.
#[derive(Debug, Default)]
struct Tally {
    kept: AtomicUsize,
    passed_over: AtomicUsize,
    failed: AtomicUsize,
    failed_in_a_row: AtomicUsize,
}

impl Warmer {
    /// Reads the files; nothing is asked yet.
    ///
    /// # Errors
    /// When one cannot be read. A memory that is not there yet is none.
    pub fn new(
        config: &WarmConfig,
        routes: Routes,
        read_through: ReadThrough,
        cache: Arc<Cache>,
    ) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for path in config.memory.iter().filter(|path| path.exists()) {
            files.push(File::read(path).context("SOUK_EDGE_WARM_MEMORY")?);
        }
        if let Some(path) = &config.list {
            files.push(File::read(path).context("SOUK_EDGE_WARM_LIST")?);
        }
        Ok(Self {
            files,
            memory: config.memory.clone(),
            every: Duration::from_secs(1) / config.per_second.get(),
            routes,
            read_through,
            cache,
        })
    }

    /// Asks all questions, and then writes down now and then what is asked
    /// most, until told to stop.
    pub async fn run(&mut self, shutdown: Shutdown) {
        for file in std::mem::take(&mut self.files) {
            tokio::select! {
                () = shutdown.stopped() => return,
                () = self.ask_all(file) => {}
            }
        }
        let Some(path) = &self.memory else { return };
        loop {
            tokio::select! {
                () = shutdown.stopped() => return,
                () = tokio::time::sleep(REMEMBER_EVERY) => {}
            }
            let (path, cache) = (path.clone(), Arc::clone(&self.cache));
            let written = spawn_blocking(move || remember(&path, &cache)).await;
            if let Ok(Err(error)) = written {
                tracing::error!(error = format!("{error:#}"), "not remembered");
            }
        }
    }

    async fn ask_all(&self, file: File) {
        let path = file.path.display();
        let tally = Arc::new(Tally::default());
        let mut bad = 0;
        let mut asking = JoinSet::new();
        let mut pace = interval(self.every);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for (n, line) in (1..).zip(file.bytes.split(|byte| *byte == b'\n')) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let question = Question::read(line).and_then(|question| question.resolve(&self.routes));
            let (route, message) = match question {
                Ok(resolved) => resolved,
                Err(error) => {
                    bad += 1;
                    metrics::warmed("bad");
                    if bad <= MAX_TOLD {
                        tracing::warn!(file = %path, line = n, %error, "not a question to ask");
                    }
                    continue;
                }
            };
            pace.tick().await;
            if asking.len() >= MAX_AT_ONCE {
                asking.join_next().await;
            }
            if tally.failed_in_a_row.load(Relaxed) >= MAX_FAILURES {
                tracing::warn!(file = %path, line = n, "the services fail; the rest is not asked");
                break;
            }
            let (read_through, tally) = (self.read_through.clone(), Arc::clone(&tally));
            asking.spawn(async move {
                tally.count(read_through.warm(&route, &message).await);
            });
        }
        asking.join_all().await;
        tracing::info!(
            file = %path,
            kept = tally.kept.load(Relaxed),
            passed_over = tally.passed_over.load(Relaxed),
            failed = tally.failed.load(Relaxed),
            bad,
            "asked ahead"
        );
    }

    /// Writes down what was asked most.
    ///
    /// # Errors
    /// When the file cannot be written; the one before is there still.
    pub fn remember(&self) -> anyhow::Result<()> {
        match &self.memory {
            Some(path) => remember(path, &self.cache),
            None => Ok(()),
        }
    }
}

fn remember(path: &Path, cache: &Cache) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for key in cache.top_calls(MAX_REMEMBERED) {
        if let Some(question) = Question::of(&key) {
            serde_json::to_writer(&mut lines, &question)?;
            lines.push(b'\n');
        }
    }
    if lines.is_empty() {
        return Ok(()); // what was asked most before may be asked again
    }
    replace(path, &lines).with_context(|| format!("cannot write {}", path.display()))
}

impl File {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || {
            let length = fs::metadata(path)?.len();
            if length > MAX_FILE_BYTES {
                return Err(io::Error::other(format!(
                    "{length} bytes are more than {MAX_FILE_BYTES}"
                )));
            }
            fs::read(path)
        };
        let bytes = read().with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }
}

impl Tally {
    fn count(&self, warmed: Warmed) {
        let (outcome, count) = match warmed {
            Warmed::Kept => ("kept", &self.kept),
            Warmed::PassedOver => ("passed_over", &self.passed_over),
            Warmed::Failed => ("failed", &self.failed),
        };
        metrics::warmed(outcome);
        count.fetch_add(1, Relaxed);
        if warmed == Warmed::Failed {
            self.failed_in_a_row.fetch_add(1, Relaxed);
        } else {
            self.failed_in_a_row.store(0, Relaxed);
        }
    }
}

/// Writes a file beside, then puts it in the place of the old one: whenever
/// the process dies, one of them is there, and whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}
