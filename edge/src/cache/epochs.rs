//! When each tag was purged last. A purge writes one number; an entry compares
//! its own with those of its tags. Tags share slots by hash, so that memory is
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
    purges: Box<[Purge]>,
}

#[derive(Debug)]
struct Purge {
    epoch: AtomicU64,
    at_ms: AtomicI64,
}

impl Epochs {
    /// No purge yet.
    pub fn new() -> Self {
        let never = || Purge {
            epoch: AtomicU64::new(0),
            at_ms: AtomicI64::new(NEVER),
        };
        Self {
            last: AtomicU64::new(0),
            floor: AtomicU64::new(0),
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
                .all(|slot| self.at(*slot).epoch.load(SeqCst) <= epoch.0)
    }

    /// Makes void what was fetched before now and is in this slot.
    pub fn purge(&self, slot: Slot, at_ms: i64) {
        let epoch = self.last.fetch_add(1, SeqCst) + 1;
        self.at(slot).epoch.fetch_max(epoch, SeqCst);
        self.at(slot).at_ms.fetch_max(at_ms, SeqCst);
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
            .map(|slot| self.at(*slot).at_ms.load(SeqCst))
            .max()
            .filter(|at| *at != NEVER)
    }

    fn at(&self, slot: Slot) -> &Purge {
        &self.purges[slot.0 as usize] // a slot is made below SLOTS
    }
}

impl Default for Epochs {
    fn default() -> Self {
        Self::new()
    }
}
