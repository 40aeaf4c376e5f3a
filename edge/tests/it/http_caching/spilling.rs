//! What memory has no room for lies on disk.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::Site;
use crate::support::{until, web_origin::Page};

/// So many pages...
const PAGES: usize = 40;
/// ...of this size do not all fit into memory.
const PAGE_BYTES: usize = 60_000;

struct Spilling {
    site: Site,
    dir: TempDir,
}

impl Spilling {
    /// All pages were asked for once and are on disk.
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let flags = ["--cache-bytes=1200000", "--cache-disk-dir"];
        let flags = [&flags[..], &[dir.path().to_str().unwrap()]].concat();
        let site = Site::with(&flags).await;
        let spilling = Self { site, dir };
        for n in 0..PAGES {
            let page = Page::cached(body(n), "max-age=60");
            spilling.site.origin.put(&path(n), page);
            spilling.site.get(&path(n)).await;
            until("it is on disk", async || spilling.files().len() == n + 1).await;
        }
        spilling
    }

    /// The files of bodies.
    fn files(&self) -> Vec<PathBuf> {
        let entries = |path: PathBuf| {
            fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        };
        entries(self.dir.path().to_owned())
            .filter(|path| path.is_dir())
            .flat_map(entries)
            .filter(|path| path.file_name().unwrap() != "lock")
            .collect()
    }

    /// Gets a page; whether it came from disk.
    async fn read(&self, n: usize) -> bool {
        let (text, status) = self.site.read(&path(n), &[]).await;
        assert_eq!(text, body(n));
        status.ends_with("; detail=disk")
    }

    fn fetched(&self) -> usize {
        (0..PAGES).map(|n| self.site.gets(&path(n))).sum()
    }
}

fn path(n: usize) -> String {
    format!("/{n}")
}

fn body(n: usize) -> String {
    format!("{n:<PAGE_BYTES$}")
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_served_from_disk() {
    let spilling = Spilling::start().await;
    let mut from_disk = 0;
    for n in 0..PAGES {
        from_disk += usize::from(spilling.read(n).await);
    }
    assert!(from_disk >= PAGES / 3, "{from_disk}");
    assert_eq!(spilling.fetched(), PAGES);
}

#[tokio::test]
async fn a_part_of_what_lies_on_disk_is_sent() {
    let spilling = Spilling::start().await;
    for n in 0..PAGES {
        let range = [("range", "bytes=0-4")];
        let part = spilling.site.ask("GET", &path(n), &range).await;
        assert_eq!(part.status, 206);
        assert_eq!(part.body, body(n)[..5]);
    }
    assert_eq!(spilling.fetched(), PAGES);
}

#[tokio::test]
async fn what_is_read_often_comes_back_into_memory() {
    let spilling = Spilling::start().await;
    let mut cold = None;
    for n in 0..PAGES {
        if spilling.read(n).await {
            cold = Some(n);
            break;
        }
    }
    let cold = cold.unwrap();
    until("it is in memory", async || !spilling.read(cold).await).await;
    assert_eq!(spilling.site.gets(&path(cold)), 1);
}

#[tokio::test]
async fn what_was_changed_is_not_served_from_disk() {
    let spilling = Spilling::start().await;
    for n in 0..PAGES {
        spilling.site.ask("POST", &path(n), &[]).await;
        assert!(!spilling.read(n).await);
    }
    assert_eq!(spilling.fetched(), 2 * PAGES);
}

#[tokio::test]
async fn a_file_that_is_gone_is_fetched_again() {
    let spilling = Spilling::start().await;
    for file in spilling.files() {
        fs::remove_file(file).unwrap();
    }
    for n in 0..PAGES {
        spilling.read(n).await;
    }
    let fetched = spilling.fetched();
    assert!(fetched > PAGES, "{fetched}");
}
