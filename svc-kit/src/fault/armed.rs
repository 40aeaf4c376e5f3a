//! The faults of a build that has them. What the variables say is read once,
//! when the process starts; a process that was not started by [`crate::run()`]
//! has none.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    num::NonZeroU64,
    path::PathBuf,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;

use super::Point;

static FAULTS: OnceLock<Faults> = OnceLock::new();

#[derive(Debug, Default)]
struct Faults {
    crash: Option<Crash>,
    trace: Option<Mutex<File>>,
    patience: Option<Duration>,
    skip_inbox: bool,
    redeliver: Option<NonZeroU64>,
    acknowledged: AtomicU64,
}

/// Where to crash, and when.
#[derive(Debug)]
struct Crash {
    at: String,
    passage: u64,
    passed: AtomicU64,
    once: Option<PathBuf>,
}

/// Reads the variables.
///
/// # Errors
/// For a point that is unknown, a number that is none, or a file that cannot
/// be written.
pub(crate) fn arm() -> anyhow::Result<()> {
    let faults = Faults {
        crash: variable("CRASH_AT").map(|at| crash(&at)).transpose()?,
        trace: variable("TRACE").map(|path| trace(&path)).transpose()?,
        patience: number("PATIENCE_MS")?.map(|ms| Duration::from_millis(ms.get())),
        skip_inbox: number("SKIP_INBOX")?.is_some(),
        redeliver: number("REDELIVER")?,
        acknowledged: AtomicU64::new(0),
    };
    // A second time in one process changes nothing.
    let _ = FAULTS.set(faults);
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "no flags: these must not exist in ordinary builds, nor be listed by --help"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(format!("SOUK_FAULT_{name}"))
        .ok()
        .filter(|text| !text.is_empty())
}

fn number(name: &str) -> anyhow::Result<Option<NonZeroU64>> {
    variable(name)
        .map(|text| {
            let number = text.parse();
            number.with_context(|| format!("SOUK_FAULT_{name}: {text:?} is no number from 1"))
        })
        .transpose()
}

fn crash(at: &str) -> anyhow::Result<Crash> {
    let (name, passage) = match at.split_once(':') {
        Some((name, number)) => {
            let number: NonZeroU64 = number
                .parse()
                .with_context(|| format!("SOUK_FAULT_CRASH_AT: {number:?} is no number from 1"))?;
            (name, number.get())
        }
        None => (at, 1),
    };
    let point = name.split('/').next().unwrap_or(name);
    anyhow::ensure!(
        Point::ALL.iter().any(|known| known.name() == point),
        "SOUK_FAULT_CRASH_AT: there is no point {point:?}"
    );
    Ok(Crash {
        at: name.to_owned(),
        passage,
        passed: AtomicU64::new(0),
        once: variable("ONCE").map(PathBuf::from),
    })
}

fn trace(path: &str) -> anyhow::Result<Mutex<File>> {
    let open = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        for point in Point::ALL {
            writeln!(file, "has {}", point.name())?;
        }
        io::Result::Ok(file)
    };
    let file = open().with_context(|| format!("SOUK_FAULT_TRACE: {path}"))?;
    Ok(Mutex::new(file))
}

/// The process passes a point.
pub fn passed(point: Point) {
    if let Some(faults) = FAULTS.get() {
        faults.pass(point.name());
    }
}

/// Somebody of this name passes a point.
pub fn passed_by(point: Point, name: &str) {
    if let Some(faults) = FAULTS.get() {
        faults.pass(&format!("{}/{name}", point.name()));
    }
}

/// How long somebody who may have died is waited for.
pub fn patience(usual: Duration) -> Duration {
    let most = FAULTS.get().and_then(|faults| faults.patience);
    most.map_or(usual, |most| usual.min(most))
}

pub(crate) fn skips_inbox() -> bool {
    FAULTS.get().is_some_and(|faults| faults.skip_inbox)
}

/// Whether the message that was just handled is to come again.
pub(crate) fn redelivers() -> bool {
    FAULTS.get().is_some_and(|faults| {
        faults.redeliver.is_some_and(|every| {
            let number = faults.acknowledged.fetch_add(1, Ordering::Relaxed) + 1;
            number.is_multiple_of(every.get())
        })
    })
}

impl Faults {
    fn pass(&self, name: &str) {
        if let Some(trace) = &self.trace {
            let mut file = trace.lock().unwrap_or_else(PoisonError::into_inner);
            // In one piece; a test that misses a line says so.
            let _ = file.write_all(format!("passed {name}\n").as_bytes());
        }
        if let Some(crash) = self.crash.as_ref().filter(|crash| crash.at == name) {
            crash.pass();
        }
    }
}

impl Crash {
    fn pass(&self) {
        if self.passed.fetch_add(1, Ordering::Relaxed) + 1 != self.passage {
            return;
        }
        if let Some(once) = &self.once {
            let made = OpenOptions::new().write(true).create_new(true).open(once);
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return,
                Err(error) => eprintln!("{}: {error}", once.display()),
                Ok(_) => {}
            }
        }
        eprintln!("crashing at {}", self.at);
        // No destructors, no flush: as if the machine had stopped it.
        std::process::abort();
    }
}
