//! Keeps a stack up: what dies is named, with its log, and started again,
//! later and later while it keeps dying.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::stack::{Process, Stack};

/// Between two looks.
const ROUND: Duration = Duration::from_millis(200);
/// Before the first restart.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Between restarts, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that lived so long starts with the first pause again.
const RECOVERED: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug)]
struct Pause {
    length: Duration,
    restarted: Instant,
}

/// What died lately.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    pauses: BTreeMap<Process, Pause>,
    /// Those to be started, and when; until they are up.
    waiting: BTreeMap<Process, Instant>,
    started: BTreeSet<Process>,
    starting: JoinSet<(Process, anyhow::Result<()>)>,
}

impl Restarts {
    /// Restarts what dies, for ever.
    pub(super) async fn keep_up(&mut self, stack: &Arc<Stack>) -> Infallible {
        loop {
            for death in stack.deaths() {
                if !self.waiting.contains_key(&death.process) {
                    self.plan(death.process, &death.story);
                }
            }
            self.begin(stack);
            while let Some(done) = self.starting.try_join_next() {
                match done {
                    Ok((process, Ok(()))) => {
                        self.settled(process);
                        println!("{process} is up again");
                    }
                    Ok((process, Err(why))) => self.plan(process, &format!("{why:#}")),
                    Err(error) => eprintln!("a restart went wrong: {error}"),
                }
            }
            sleep(ROUND).await;
        }
    }

    fn settled(&mut self, process: Process) {
        self.waiting.remove(&process);
        self.started.remove(&process);
    }

    fn plan(&mut self, process: Process, story: &str) {
        self.settled(process);
        let now = Instant::now();
        let length = match self.pauses.get(&process) {
            Some(pause) if now - pause.restarted < RECOVERED => {
                (pause.length * 2).min(LONGEST_PAUSE)
            }
            _ => FIRST_PAUSE,
        };
        eprintln!(
            "{story}\n{process} is started again in {:.1} s",
            length.as_secs_f64()
        );
        let restarted = now + length;
        self.pauses.insert(process, Pause { length, restarted });
        self.waiting.insert(process, restarted);
    }

    fn begin(&mut self, stack: &Arc<Stack>) {
        let now = Instant::now();
        for (process, at) in &self.waiting {
            if *at <= now && self.started.insert(*process) {
                let (process, stack) = (*process, Arc::clone(stack));
                self.starting
                    .spawn(async move { (process, stack.start_again(process).await) });
            }
        }
    }
}
