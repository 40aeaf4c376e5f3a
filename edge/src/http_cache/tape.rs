//! A body while it arrives: recorded once, read by all who wait for it, each
//! at its own pace. It takes room among all that arrive until its last reader
//! has left, however slow that one is.

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

use crate::cache::room::Room;

/// How a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The body is whole.
    Whole,
    /// The origin broke off.
    Torn,
    /// The body is too long to be kept: the rest goes to one reader alone.
    TooLong,
}

#[derive(Debug)]
struct Recorded {
    chunks: Vec<Bytes>,
    /// All of it in one piece, once it is whole.
    whole: Bytes,
    end: Option<End>,
    room: Room,
}

/// Records a body. Dropped before the end, it leaves a torn one.
#[derive(Debug)]
pub struct Recorder(watch::Sender<Recorded>);

/// A body that is recorded.
#[derive(Debug, Clone)]
pub struct Tape(watch::Receiver<Recorded>);

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// More of the body.
    Chunk(Bytes),
    /// No more.
    End(End),
}

/// Begins a recording, in this room.
pub fn record(room: Room) -> (Recorder, Tape) {
    let (recorder, tape) = watch::channel(Recorded {
        chunks: Vec::new(),
        whole: Bytes::new(),
        end: None,
        room,
    });
    (Recorder(recorder), Tape(tape))
}

impl Recorder {
    /// Adds to the body.
    pub fn push(&self, chunk: Bytes) {
        self.0.send_modify(|recorded| recorded.chunks.push(chunk));
    }

    /// Has its room grow to so many bytes, if it must. Says whether there is
    /// room.
    pub fn grow(&self, bytes: usize) -> bool {
        let mut has_room = false;
        self.0.send_if_modified(|recorded| {
            has_room = recorded.room.grow(bytes);
            false // nothing that readers wait for
        });
        has_room
    }

    /// Ends the recording of a body that is too long to be kept.
    pub fn too_long(self) {
        self.0
            .send_modify(|recorded| recorded.end = Some(End::TooLong));
    }

    /// Ends the recording of a body that is whole, with what comes last.
    pub fn whole(self, last: Option<Bytes>, whole: Bytes) {
        self.0.send_modify(|recorded| {
            recorded.chunks.extend(last);
            recorded.whole = whole;
            recorded.end = Some(End::Whole);
        });
    }

    /// All of it so far, and what comes last, in one piece.
    pub fn joined(&self, last: Option<&Bytes>) -> Bytes {
        let recorded = self.0.borrow();
        let chunks: Vec<Bytes> = recorded.chunks.iter().chain(last).cloned().collect();
        joined(&chunks)
    }
}

impl Tape {
    /// The chunk of a number, or the end; waits for it.
    pub async fn next(&mut self, number: usize) -> Next {
        let known = self
            .0
            .wait_for(|recorded| recorded.chunks.len() > number || recorded.end.is_some())
            .await;
        match known {
            Ok(recorded) => match recorded.chunks.get(number) {
                Some(chunk) => Next::Chunk(chunk.clone()),
                None => Next::End(recorded.end.unwrap_or(End::Torn)),
            },
            Err(_) => Next::End(End::Torn),
        }
    }

    /// Waits for the whole body.
    ///
    /// # Errors
    /// How it ended otherwise.
    pub async fn whole(&mut self) -> Result<Bytes, End> {
        let ended = self.0.wait_for(|recorded| recorded.end.is_some()).await;
        match ended {
            Ok(recorded) => match recorded.end {
                Some(End::Whole) => Ok(recorded.whole.clone()),
                end => Err(end.unwrap_or(End::Torn)),
            },
            Err(_) => Err(End::Torn),
        }
    }
}

fn joined(chunks: &[Bytes]) -> Bytes {
    if let [chunk] = chunks {
        return chunk.clone();
    }
    let mut joined = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        joined.extend_from_slice(chunk);
    }
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::cache::room;

    fn recorded(all: &Arc<Semaphore>) -> (Recorder, Tape) {
        record(Room::begin(all, 1).unwrap())
    }

    #[tokio::test]
    async fn whoever_comes_when_hears_all() {
        let (recorder, tape) = recorded(&room::of(1));
        recorder.push(Bytes::from_static(b"a"));
        let (mut early, mut late) = (tape.clone(), tape);
        assert!(matches!(early.next(0).await, Next::Chunk(chunk) if chunk == "a"));
        let last = Bytes::from_static(b"b");
        let whole = recorder.joined(Some(&last));
        recorder.whole(Some(last), whole);
        assert!(matches!(early.next(1).await, Next::Chunk(chunk) if chunk == "b"));
        assert!(matches!(early.next(2).await, Next::End(End::Whole)));
        assert_eq!(late.whole().await, Ok(Bytes::from_static(b"ab")));
    }

    #[tokio::test]
    async fn a_recorder_that_is_gone_leaves_a_torn_body() {
        let (recorder, mut tape) = recorded(&room::of(1));
        recorder.push(Bytes::from_static(b"a"));
        drop(recorder);
        assert!(matches!(tape.next(0).await, Next::Chunk(_)));
        assert!(matches!(tape.next(1).await, Next::End(End::Torn)));
        assert_eq!(tape.whole().await, Err(End::Torn));
    }

    #[test]
    fn a_body_takes_room_until_its_last_reader_has_left() {
        let all = room::of(1);
        let (recorder, tape) = recorded(&all);
        let slow = tape.clone();
        recorder.whole(None, Bytes::new());
        drop(tape);
        assert!(Room::begin(&all, 1).is_none());
        drop(slow);
        assert!(Room::begin(&all, 1).is_some());
    }
}
