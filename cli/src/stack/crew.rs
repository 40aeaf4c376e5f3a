//! The processes of one stack: each with its plan, whether it should run, and
//! whether it does. It knows nothing of what they are for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::ports::is_free;
use super::ready::{self, Ready};
use super::supervisor::Running;
use super::{Launch, Process, Progress, Supervisor, logs};

/// How long a port may stay taken by a predecessor that is just ending.
const PORT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a server whose predecessor's children are just ending is tried
/// again.
const PREDECESSOR_PATIENCE: Duration = Duration::from_secs(20);
/// What PostgreSQL says then.
const PREDECESSOR_SIGNS: [&str; 2] = [
    "pre-existing shared memory block",
    "lock file \"postmaster.pid\" already exists",
];

/// How a process is started and known to be ready.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) launch: Launch,
    pub(crate) ready: Ready,
    pub(crate) ports: Vec<(u16, &'static str)>,
}

#[derive(Debug)]
struct Member {
    plan: Plan,
    running: Running,
    /// Nobody has asked it to end.
    wanted: bool,
}

/// The processes of a stack.
#[derive(Debug)]
pub(crate) struct Crew {
    dir: PathBuf,
    supervisor: Supervisor,
    members: Mutex<BTreeMap<Process, Member>>,
    progress: Progress,
}

impl Crew {
    pub(crate) fn new(dir: &Path, progress: Progress) -> anyhow::Result<Self> {
        for tool in ["setpriv", "unshare"] {
            if crate::checkout::on_path(tool).is_none() {
                bail!("{tool} is missing; it comes with the package util-linux");
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            supervisor: Supervisor::start().context("cannot start a thread")?,
            members: Mutex::default(),
            progress,
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// The log of a process.
    pub(crate) fn log_path(&self, process: Process) -> PathBuf {
        logs::path(&self.dir, process.name())
    }

    /// What a process has written since the stack started.
    pub(crate) fn log(&self, process: Process) -> String {
        fs::read(self.log_path(process))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Starts a process and waits until it is ready.
    pub(crate) async fn start(&self, process: Process, plan: Plan) -> anyhow::Result<()> {
        logs::rotate(&self.log_path(process))
            .with_context(|| self.log_path(process).display().to_string())?;
        let since = Instant::now();
        let launch = plan.launch.clone();
        self.bring_up(process, plan.clone(), launch).await?;
        let seconds = since.elapsed().as_secs_f64();
        let port = plan.ports.first().map_or(0, |(port, _)| *port);
        self.progress.say(&format!(
            "{process} answers on 127.0.0.1:{port} ({seconds:.1} s)"
        ));
        Ok(())
    }

    /// Starts a process that has ended once more, with its log going on, and
    /// with more environment for this time.
    pub(crate) async fn start_again(
        &self,
        process: Process,
        env: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let plan = {
            let members = self.members();
            let member = members
                .get(&process)
                .with_context(|| format!("{process} was never started"))?;
            if member.running.exit_status().is_none() {
                bail!("{process} is running");
            }
            member.plan.clone()
        };
        let mut launch = plan.launch.clone();
        for (name, value) in env {
            launch = launch.env(*name, *value);
        }
        self.bring_up(process, plan, launch).await
    }

    /// Asks a process to finish, and comes back when it has.
    pub(crate) async fn stop(&self, process: Process) -> anyhow::Result<ExitStatus> {
        let running = self.no_longer_wanted(process)?;
        Ok(running
            .end(process.stop_signal(), process.stop_grace())
            .await)
    }

    /// Kills a process, and comes back when it is gone.
    pub(crate) async fn kill(&self, process: Process) -> anyhow::Result<()> {
        let running = self.no_longer_wanted(process)?;
        running.end(Signal::SIGKILL, PORT_PATIENCE).await;
        Ok(())
    }

    /// The number of a process that runs.
    pub(crate) fn pid(&self, process: Process) -> Option<u32> {
        let members = self.members();
        let running = &members.get(&process)?.running;
        running.exit_status().is_none().then(|| running.pid())
    }

    /// Those that have ended though nobody asked them to.
    pub(crate) fn dead(&self) -> Vec<(Process, ExitStatus)> {
        self.members()
            .iter()
            .filter(|(_, member)| member.wanted)
            .filter_map(|(process, member)| Some((*process, member.running.exit_status()?)))
            .collect()
    }

    /// Stops all, callers before those they call.
    pub(crate) async fn stop_all(&self) {
        for together in Process::STOP_ORDER {
            let running: Vec<(Process, Running)> = together
                .iter()
                .filter_map(|process| Some((*process, self.no_longer_wanted(*process).ok()?)))
                .collect();
            for (process, one) in &running {
                one.signal(process.stop_signal());
            }
            for (process, one) in running {
                one.end(process.stop_signal(), process.stop_grace()).await;
            }
        }
    }

    async fn bring_up(&self, process: Process, plan: Plan, launch: Launch) -> anyhow::Result<()> {
        wait_for_ports(&plan.ports).await?;
        let until = Instant::now() + PREDECESSOR_PATIENCE;
        loop {
            let running = self
                .supervisor
                .spawn(launch.clone(), process.quick_signal())
                .await
                .with_context(|| format!("cannot start {}", launch.program.display()))?;
            self.members().insert(
                process,
                Member {
                    plan: plan.clone(),
                    running: running.clone(),
                    wanted: false,
                },
            );
            let ready = plan
                .ready
                .wait(process.name(), &running, &launch, &self.supervisor)
                .await;
            match ready {
                Ok(()) => break,
                Err(why) if Instant::now() < until && has_predecessor(&why) => {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(why) => {
                    running.signal(process.quick_signal());
                    return Err(why);
                }
            }
        }
        if let Some(member) = self.members().get_mut(&process) {
            member.wanted = true;
        }
        Ok(())
    }

    fn no_longer_wanted(&self, process: Process) -> anyhow::Result<Running> {
        let mut members = self.members();
        let member = members
            .get_mut(&process)
            .with_context(|| format!("{process} was never started"))?;
        member.wanted = false;
        Ok(member.running.clone())
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<Process, Member>> {
        // A panic elsewhere leaves the map as it was.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_predecessor(why: &anyhow::Error) -> bool {
    let why = why.to_string();
    PREDECESSOR_SIGNS.iter().any(|sign| why.contains(sign))
}

async fn wait_for_ports(ports: &[(u16, &'static str)]) -> anyhow::Result<()> {
    let until = Instant::now() + PORT_PATIENCE;
    for (port, whose) in ports {
        while !is_free(*port) {
            if Instant::now() > until {
                bail!("port {port} is in use, and {whose} needs it");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// What died, for people.
pub(crate) fn obituary(process: Process, status: ExitStatus, log: &Path) -> String {
    let launch = Launch::new("", super::Output::Log(log.to_owned()));
    format!("{process} died ({status}){}", ready::ending(&launch))
}
