//! Room for bodies, those that arrive, wait or lie on disk: all of a kind
//! together take no more than theirs.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is given out in pieces of this size.
const PIECE_BYTES: usize = 1024;

/// Room for so many bytes.
pub fn of(bytes: usize) -> Arc<Semaphore> {
    let pieces = (bytes / PIECE_BYTES).clamp(1, Semaphore::MAX_PERMITS);
    Arc::new(Semaphore::new(pieces))
}

/// What one body takes of it; given back when dropped.
#[derive(Debug)]
pub struct Room {
    pieces: OwnedSemaphorePermit,
}

impl Room {
    /// Room for so many bytes, if there is any.
    pub fn begin(room: &Arc<Semaphore>, bytes: usize) -> Option<Self> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).ok()?;
        let pieces = Arc::clone(room).try_acquire_many_owned(pieces).ok()?;
        Some(Self { pieces })
    }

    /// Grows, if it must, to twice its size and at least to so many bytes. Says
    /// whether there is room.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let has = self.pieces.num_permits();
        let needed = bytes.div_ceil(PIECE_BYTES);
        if needed <= has {
            return true;
        }
        match Self::begin(
            self.pieces.semaphore(),
            (needed - has).max(has) * PIECE_BYTES,
        ) {
            Some(more) => {
                self.pieces.merge(more.pieces);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_as_far_as_there_is_any() {
        let all = of(8 * PIECE_BYTES);
        let mut room = Room::begin(&all, 2 * PIECE_BYTES).unwrap();
        assert!(room.grow(2 * PIECE_BYTES + 1), "to twice its size");
        assert!(Room::begin(&all, 5 * PIECE_BYTES).is_none());
        let other = Room::begin(&all, 4 * PIECE_BYTES).unwrap();
        assert!(!room.grow(5 * PIECE_BYTES));
        drop(other);
        assert!(room.grow(5 * PIECE_BYTES));
    }
}
