//! What a server's processes have used, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::{SysconfVar, sysconf};

/// What a process and all its descendants use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// In user and in kernel mode, since their start.
    pub(super) cpu: Duration,
    /// Resident memory.
    pub(super) rss_bytes: u64,
}

/// The fields of `/proc/PID/stat` that are read.
struct Stat {
    parent: u32,
    ticks: u64,
    rss_pages: u64,
}

impl Usage {
    /// Of a process that runs.
    pub(super) fn of(pid: u32) -> anyhow::Result<Self> {
        let stats = all()?;
        stats.get(&pid).context("the server has ended")?;
        let setting = |name| anyhow::Ok(u64::try_from(sysconf(name)?.context("no such setting")?)?);
        let ticks_per_second = setting(SysconfVar::CLK_TCK)?;
        let page_bytes = setting(SysconfVar::PAGE_SIZE)?;
        let (mut ticks, mut pages) = (0, 0);
        for (candidate, stat) in &stats {
            if is_below(*candidate, pid, &stats) {
                ticks += stat.ticks;
                pages += stat.rss_pages;
            }
        }
        Ok(Self {
            cpu: Duration::from_millis(ticks * 1000 / ticks_per_second),
            rss_bytes: pages * page_bytes,
        })
    }
}

fn is_below(mut pid: u32, root: u32, stats: &HashMap<u32, Stat>) -> bool {
    while pid != root {
        match stats.get(&pid) {
            Some(stat) => pid = stat.parent,
            None => return false,
        }
    }
    true
}

fn all() -> anyhow::Result<HashMap<u32, Stat>> {
    Ok(fs::read_dir("/proc")?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            // It may have ended just now.
            let text = fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, Stat::parse(&text)?))
        })
        .collect())
}

impl Stat {
    /// The name, in brackets, may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        // The first of these is the third field of proc(5).
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3);
        let (user, system): (u64, u64) = (field(14)?.parse().ok()?, field(15)?.parse().ok()?);
        Some(Self {
            parent: field(4)?.parse().ok()?,
            ticks: user + system,
            rss_pages: field(24)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name() {
        let line = "7 (a ) b) S 3 7 7 0 -1 4194560 1 2 3 4 50 60 0 0 20 0 9 0 100 4096 77 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.rss_pages), (3, 110, 77));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Usage::of(std::process::id()).unwrap().rss_bytes > 0);
    }
}
