//! Finds the processes that belong to a folder, and waits for conditions.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// The processes that name the folder in their command line or work in it:
/// their numbers and what they are.
pub(crate) fn of_folder(folder: &Path) -> Vec<(u32, String)> {
    let name = folder.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let pid: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let line = fs::read(path.join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let works_there =
                fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
            (line.contains(name) || works_there).then_some((pid, line))
        })
        .collect()
}

/// Waits until the condition holds.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < until, "timed out waiting until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
