//! When each tag was purged last. A purge writes one number; an entry compares
//! its own with those of its tags. After a hard purge it is void, after a soft
//! one it is stale. Tags share slots by hash, so that memory is
//! fixed: two tags in one slot only mean a purge too many.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
};

/// How many tags can be told apart, at best.
const SLOTS: u32 = 1 << 18;
/// No purge yet.
const NEVER: i64 = i64::MIN;

/// A point in the order of purges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

/// Where a tag's purges are noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u32);

/// The slot of a tag. The hash is keyed, so that nobody outside can aim.
pub fn slot(tag: &str) -> Slot {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let [a, b, c, d, ..] = HASHER.hash_one(tag).to_le_bytes();
    Slot(u32::from_le_bytes([a, b, c, d]) % SLOTS)
}

/// The order of purges.
#[derive(Debug)]
pub struct Epochs {
    last: AtomicU64,
    /// What is older is void, whatever its tags.
    floor: AtomicU64,
    /// The last soft purge of any tag: what is younger need not look further.
    last_soft: AtomicU64,
    purges: Box<[Purges]>,
}

/// The purges of a slot.
#[derive(Debug)]
struct Purges {
    hard: Purge,
    soft: Purge,
}

/// The last purge of its kind.
#[derive(Debug)]
struct Purge {
    epoch: AtomicU64,
    at_ms: AtomicI64,
}

impl Purge {
    fn never() -> Self {
        Self {
            epoch: AtomicU64::new(0),
            at_ms: AtomicI64::new(NEVER),
        }
    }

    fn note(&self, epoch: u64, at_ms: i64) {
        self.at_ms.fetch_max(at_ms, SeqCst); // first: whoever sees the epoch sees the time
        self.epoch.fetch_max(epoch, SeqCst);
    }
}

impl Epochs {
    /// No purge yet.
    pub fn new() -> Self {
        let never = || Purges {
            hard: Purge::never(),
            soft: Purge::never(),
        };
        Self {
            last: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            last_soft: AtomicU64::new(0),
            purges: std::iter::repeat_with(never).take(SLOTS as usize).collect(),
        }
    }

    /// The present. Take it before asking the service.
    pub fn now(&self) -> Epoch {
        Epoch(self.last.load(SeqCst))
    }

    /// Whether nothing of these slots was purged after `epoch`.
    pub fn is_valid(&self, epoch: Epoch, slots: &[Slot]) -> bool {
        epoch.0 >= self.floor.load(SeqCst)
            && slots
                .iter()
                .all(|slot| self.at(*slot).hard.epoch.load(SeqCst) <= epoch.0)
    }

    /// Since when what was asked for at `epoch` counts as stale, because of a
    /// soft purge of one of these slots.
    pub fn softened_ms(&self, epoch: Epoch, slots: &[Slot]) -> Option<i64> {
        if self.last_soft.load(SeqCst) <= epoch.0 {
            return None;
        }
        slots
            .iter()
            .map(|slot| &self.at(*slot).soft)
            .filter(|purge| purge.epoch.load(SeqCst) > epoch.0)
            .map(|purge| purge.at_ms.load(SeqCst))
            .min()
    }

    /// Whether nothing of these slots was purged after `epoch`, not even
    /// softly.
    pub fn is_current(&self, epoch: Epoch, slots: &[Slot]) -> bool {
        self.is_valid(epoch, slots) && self.softened_ms(epoch, slots).is_none()
    }

    /// Makes void what was fetched before now and is in this slot.
    pub fn purge(&self, slot: Slot, at_ms: i64) {
        let epoch = self.last.fetch_add(1, SeqCst) + 1;
        self.at(slot).hard.note(epoch, at_ms);
    }

    /// Makes stale what was fetched before now and is in this slot.
    pub fn purge_soft(&self, slot: Slot, at_ms: i64) {
        let epoch = self.last.fetch_add(1, SeqCst) + 1;
        self.at(slot).soft.note(epoch, at_ms);
        self.last_soft.fetch_max(epoch, SeqCst);
    }

    /// Makes void all that was fetched before now.
    pub fn purge_all(&self) {
        let epoch = self.last.fetch_add(1, SeqCst) + 1;
        self.floor.fetch_max(epoch, SeqCst);
    }

    /// When one of these slots was purged last.
    pub fn last_purge_ms(&self, slots: &[Slot]) -> Option<i64> {
        slots
            .iter()
            .flat_map(|slot| [&self.at(*slot).hard, &self.at(*slot).soft])
            .map(|purge| purge.at_ms.load(SeqCst))
            .max()
            .filter(|at| *at != NEVER)
    }

    fn at(&self, slot: Slot) -> &Purges {
        &self.purges[slot.0 as usize] // a slot is made below SLOTS
    }
}

impl Default for Epochs {
    fn default() -> Self {
        Self::new()
    }
}
