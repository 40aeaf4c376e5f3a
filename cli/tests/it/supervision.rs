//! No process is left behind, however the supervisor ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::processes::{of_folder, wait_until};

struct Supervised {
    souk: Child,
    folder: TempDir,
}

impl Supervised {
    /// Servers around a command that says that it runs, and then waits.
    fn start(script: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let souk = Command::new(env!("CARGO_BIN_EXE_souk"))
            .args(["servers", "--dir"])
            .arg(folder.path().join("servers"))
            .args(["--", "sh", "-c", script])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let supervised = Self { souk, folder };
        let runs = supervised.file("runs");
        wait_until("the command runs", || runs.is_file());
        supervised
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn others(&self) -> Vec<(u32, String)> {
        let mut all = of_folder(&self.folder.path().canonicalize().unwrap());
        all.retain(|(pid, _)| *pid != self.souk.id());
        all
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.souk.id().try_into().unwrap()), signal).unwrap();
    }
}

fn names(processes: &[(u32, String)], name: &str) -> bool {
    processes.iter().any(|(_, line)| line.contains(name))
}

const WAITS: &str = "touch runs; exec sleep 600";

#[test]
fn a_killed_supervisor_leaves_nothing_behind() {
    let mut supervised = Supervised::start(WAITS);
    let others = supervised.others();
    for name in ["postgres", "redis", "nats", "sleep"] {
        assert!(names(&others, name), "no {name} among {others:?}");
    }

    supervised.signal(Signal::SIGKILL);
    supervised.souk.wait().unwrap();

    wait_until("all are gone", || supervised.others().is_empty());
}

#[test]
fn a_terminated_supervisor_stops_the_command_and_then_the_servers() {
    let mut supervised = Supervised::start(
        "trap 'touch told; exit 7' TERM; touch runs; while :; do sleep 0.1; done",
    );

    supervised.signal(Signal::SIGTERM);
    let status = supervised.souk.wait().unwrap();

    assert_eq!(status.code(), Some(7), "the exit code is the command's");
    assert!(supervised.file("told").is_file());
    assert_eq!(supervised.others(), []);
}

#[test]
fn a_second_one_in_the_same_folder_says_so_in_one_line() {
    let supervised = Supervised::start(WAITS);

    let second = second_in(supervised.folder.path());

    assert_eq!(second.0, Some(2));
    assert!(
        second.1.contains("another souk is running in"),
        "{}",
        second.1
    );
    assert_eq!(second.1.lines().count(), 1, "{}", second.1);
    supervised.signal(Signal::SIGTERM);
    let mut supervised = supervised;
    supervised.souk.wait().unwrap();
}

fn second_in(folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_souk"))
        .args(["servers", "--dir"])
        .arg(folder.join("servers"))
        .args(["--", "true"])
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}
