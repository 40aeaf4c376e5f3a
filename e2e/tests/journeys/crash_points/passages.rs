//! Which points the processes have passed, as they note it themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use e2e::wait;
use souk::stack::{Process, StackOptions};

/// Begun, and done: whoever has passed one has passed the other as often, once
/// nothing is under way.
const PAIRS: [(&str, &str); 5] = [
    ("consumer.before_transaction", "consumer.after_ack"),
    ("outbox.after_read", "outbox.after_delete"),
    ("charge.before_provider", "charge.after_conclude"),
    ("refund.before_provider", "refund.after_conclude"),
    ("mail.before_send", "mail.after_send"),
];

/// A file for each process.
pub(crate) struct Passages {
    dir: PathBuf,
}

/// How far each process's file went.
pub(crate) struct Mark(BTreeMap<Process, usize>);

impl Passages {
    pub(crate) fn below(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Has every service note what it passes.
    pub(crate) fn of_all(&self, options: StackOptions) -> StackOptions {
        Process::SERVICES.iter().fold(options, |options, process| {
            let file = self.file(*process);
            options.env_of(*process, "SOUK_FAULT_TRACE", file.to_str().unwrap())
        })
    }

    pub(crate) fn mark(&self) -> Mark {
        let lines = |process: &Process| (*process, self.passed(*process).len());
        Mark(Process::SERVICES.iter().map(lines).collect())
    }

    /// What was passed since, once nothing is under way any more.
    pub(crate) async fn since(&self, mark: &Mark) -> Vec<(Process, String)> {
        wait::eventually("all that was begun to be done", async || {
            let mut all = Vec::new();
            for (process, from) in &mark.0 {
                let passed = self.passed(*process);
                if !is_quiet(&passed) {
                    return None;
                }
                let new = passed.into_iter().skip(*from);
                all.extend(new.map(|point| (*process, point)));
            }
            Some(all)
        })
        .await
    }

    /// The points that there are, as the processes say.
    pub(crate) fn known(&self) -> BTreeSet<String> {
        let lines = Process::SERVICES
            .iter()
            .flat_map(|process| self.lines(*process, "has "));
        lines.collect()
    }

    fn passed(&self, process: Process) -> Vec<String> {
        self.lines(process, "passed ")
    }

    fn lines(&self, process: Process, kind: &str) -> Vec<String> {
        let text = fs::read_to_string(self.file(process)).unwrap_or_default();
        text.lines()
            .filter_map(|line| Some(line.strip_prefix(kind)?.to_owned()))
            .collect()
    }

    fn file(&self, process: Process) -> PathBuf {
        self.dir.join(format!("{process}.passages"))
    }
}

fn is_quiet(passed: &[String]) -> bool {
    let mut open: BTreeMap<String, i64> = BTreeMap::new();
    for point in passed {
        for (begun, done) in PAIRS {
            let change = match point {
                point if point.starts_with(begun) => 1,
                point if point.starts_with(done) => -1,
                _ => continue,
            };
            let whose = point.split_once('/').map_or("", |(_, whose)| whose);
            *open.entry(format!("{begun}/{whose}")).or_default() += change;
        }
    }
    open.values().all(|open| *open == 0)
}
