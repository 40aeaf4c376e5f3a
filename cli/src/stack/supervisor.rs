//! The one thread that starts, watches and ends child processes. A child dies
//! with the *thread* that started it (its parent-death signal), so this one
//! lives as long as the process does; nothing else may start a child.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use super::Launch;

/// How often the children are looked after.
const ROUND: Duration = Duration::from_millis(20);
/// How long children may take to obey a quick signal before they are killed.
const QUICK_GRACE: Duration = Duration::from_secs(5);

enum Request {
    Start(Box<Launch>, Signal, oneshot::Sender<io::Result<Running>>),
    Signal(u64, Signal),
    EndAll(mpsc::SyncSender<()>),
}

/// Handle of the supervising thread. Dropping it ends every child.
#[derive(Debug)]
pub(crate) struct Supervisor {
    requests: mpsc::Sender<Request>,
}

/// A child that was started; it may have ended since.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    id: u64,
    pid: u32,
    requests: mpsc::Sender<Request>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Supervisor {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel();
        let sender = requests.clone();
        thread::Builder::new()
            .name("supervisor".to_owned())
            .spawn(move || Children::default().look_after(&inbox, &sender))?;
        Ok(Self { requests })
    }

    /// Starts a child; `quick` is what ends it when all must end at once.
    pub(crate) async fn spawn(&self, launch: Launch, quick: Signal) -> io::Result<Running> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(Request::Start(Box::new(launch), quick, answer))
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Runs a child to its end.
    pub(crate) async fn run(&self, launch: Launch) -> io::Result<ExitStatus> {
        Ok(self.spawn(launch, Signal::SIGKILL).await?.exited().await)
    }

    /// Ends all children now, and comes back when they are gone.
    pub(crate) fn end_all(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        if self.requests.send(Request::EndAll(done)).is_ok() {
            let _gone_anyway = wait.recv_timeout(QUICK_GRACE * 2);
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.end_all();
    }
}

fn gone() -> io::Error {
    io::Error::other("the supervising thread is gone")
}

impl Running {
    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal, unless it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        // A supervisor that is gone has ended it.
        let _gone = self.requests.send(Request::Signal(self.id, signal));
    }

    /// How it ended, if it has.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits for its end.
    pub(crate) async fn exited(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            Err(_) => ExitStatus::default(),
        }
    }

    /// Asks it to finish, and kills it when the grace is over.
    pub(crate) async fn end(&self, signal: Signal, grace: Duration) -> ExitStatus {
        self.signal(signal);
        if let Ok(status) = tokio::time::timeout(grace, self.exited()).await {
            return status;
        }
        self.signal(Signal::SIGKILL);
        self.exited().await
    }
}

struct Kept {
    id: u64,
    child: Child,
    quick: Signal,
    exit: watch::Sender<Option<ExitStatus>>,
}

#[derive(Default)]
struct Children {
    next_id: u64,
    kept: Vec<Kept>,
}

impl Children {
    fn look_after(mut self, inbox: &mpsc::Receiver<Request>, sender: &mpsc::Sender<Request>) {
        loop {
            match inbox.recv_timeout(ROUND) {
                Ok(Request::Start(launch, quick, answer)) => {
                    let started = self.start(&launch, quick, sender);
                    let id = started.as_ref().ok().map(|running| running.id);
                    if answer.send(started).is_err()
                        && let Some(id) = id
                    {
                        // Whoever asked has given up meanwhile.
                        self.signal(id, Signal::SIGKILL);
                    }
                }
                Ok(Request::Signal(id, signal)) => self.signal(id, signal),
                Ok(Request::EndAll(done)) => {
                    self.end_all();
                    // Nobody waiting is fine.
                    let _unheard = done.try_send(());
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            self.reap();
        }
    }

    fn start(
        &mut self,
        launch: &Launch,
        quick: Signal,
        sender: &mpsc::Sender<Request>,
    ) -> io::Result<Running> {
        let child = launch.command()?.spawn()?;
        self.next_id += 1;
        let (exit, seen) = watch::channel(None);
        let running = Running {
            id: self.next_id,
            pid: child.id(),
            requests: sender.clone(),
            exit: seen,
        };
        self.kept.push(Kept {
            id: self.next_id,
            child,
            quick,
            exit,
        });
        Ok(running)
    }

    /// A child that was not reaped keeps its number, so the signal cannot
    /// reach a stranger.
    fn signal(&self, id: u64, signal: Signal) {
        if let Some(kept) = self.kept.iter().find(|kept| kept.id == id) {
            kept.signal(signal);
        }
    }

    fn reap(&mut self) {
        self.kept.retain_mut(|kept| match kept.child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                kept.exit.send_replace(Some(status));
                false
            }
            Err(_) => {
                kept.exit.send_replace(Some(ExitStatus::default()));
                false
            }
        });
    }

    fn end_all(&mut self) {
        for kept in &self.kept {
            kept.signal(kept.quick);
        }
        let until = Instant::now() + QUICK_GRACE;
        while !self.kept.is_empty() && Instant::now() < until {
            self.reap();
            thread::sleep(Duration::from_millis(2));
        }
        for kept in &mut self.kept {
            // It may have ended just now.
            let _ended = kept.child.kill();
            let _reaped = kept.child.wait();
        }
        self.kept.clear();
    }
}

impl Kept {
    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended just now, and is then a zombie of ours.
            let _ended = kill(Pid::from_raw(pid), signal);
        }
    }
}
