//! Fetches pages, and keeps those that may be kept.
//!
//! A fetch belongs to nobody: it runs by itself, over a connection of the
//! cache's own, and callers read what it brings while it arrives. None of them
//! can break it off. What turns out to be for one caller alone is handed,
//! connection and all, to the one it was asked for.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use pingora::{Result, http::RequestHeader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    entry::{Entry, Head},
    fetch::{Arrival, Fetch},
    pages::{Asked, Freshened, Pages},
    tape::{self, End, Recorder, Tape},
    url::Url,
    vary::Variant,
};
use crate::{cache::flight::Landing, metrics, refusal::Refusal, site::Site};

/// How long a body may take that is kept, from first to last byte.
const BODY_TIMEOUT: Duration = Duration::from_mins(2);
/// Bodies that arrive may take this part of what the cache may hold.
const ARRIVING_PART: usize = 4;
/// Room for a body whose length is not told, to begin with.
const FIRST_ROOM_BYTES: usize = 64 * 1024;
/// Room for bodies that arrive is given out in pieces of this size.
const PIECE_BYTES: usize = 1024;

/// A fetch: of a URL, for one kind of request.
pub type Question = (Url, Variant);

/// What a fetch brought.
#[derive(Debug, Clone)]
pub enum Brought {
    /// What was kept is good; whether it is kept on.
    Good(Entry, bool),
    /// A page for everybody, which arrives.
    Page(Arc<Head>, Tape),
    /// An answer for one caller alone.
    Unshared(StatusCode),
    /// No answer.
    Failed(Refusal),
}

/// What a fetch needs that is under way.
#[derive(Debug)]
pub struct Flight {
    /// Ends the fetch, and tells those who wait.
    pub landing: Landing<Question, Brought>,
    /// What is asked for, as the cache sees it.
    pub asked: Asked,
    /// The request for the whole page, without conditions.
    pub request: RequestHeader,
    /// What is kept, to be asked about.
    pub kept: Option<Entry>,
    /// Who is asked.
    pub site: Site,
    /// Where an answer goes that is for one caller alone.
    pub alone: oneshot::Sender<Arrival>,
}

/// Fetches pages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Filler {
    pages: Arc<Pages>,
    fetch: Fetch,
    /// Room for bodies that arrive.
    room: Arc<Semaphore>,
    /// How long an origin may be silent.
    timeout: Duration,
}

impl Filler {
    /// Keeps pages among these.
    pub fn new(pages: Arc<Pages>, timeout: Duration) -> Self {
        let pieces = pages.cache().max_bytes() / ARRIVING_PART / PIECE_BYTES;
        Self {
            pages,
            fetch: Fetch::default(),
            room: Arc::new(Semaphore::new(pieces.clamp(1, Semaphore::MAX_PERMITS))),
            timeout,
        }
    }

    /// Fetches a page, and keeps it if it may be kept.
    pub async fn fly(self, flight: Flight) {
        let site = flight.site.clone();
        if let Err(error) = Box::pin(self.bring(flight)).await {
            tracing::warn!(prefix = site.prefix(), %error, "a page was not fetched");
        }
    }

    async fn bring(&self, flight: Flight) -> Result<()> {
        let Flight {
            landing,
            asked,
            request,
            kept,
            site,
            alone,
        } = flight;
        let mut conditional = request.clone();
        let conditions = kept.as_ref().map(|kept| kept.head.validators.conditions());
        for (name, value) in conditions.iter().flatten() {
            conditional.insert_header(name.clone(), value.clone())?;
        }
        let mut sent = self.fetch.send(&site, &conditional, self.timeout).await;
        if let (Ok(arrival), Some(kept)) = (&sent, &kept)
            && arrival.answer.status == StatusCode::NOT_MODIFIED
        {
            match self.pages.freshen(&asked, kept, &arrival.answer)? {
                Freshened::Good(entry, stored) => {
                    landing.land(Brought::Good(entry, stored));
                    if let Ok(mut arrival) = sent
                        && arrival.next().await?.is_none()
                    {
                        arrival.finish().await;
                    }
                    return Ok(());
                }
                Freshened::NotMeant => {
                    sent = self.fetch.send(&site, &request, self.timeout).await;
                }
            }
        }
        let arrival = match sent {
            Ok(arrival) => arrival,
            Err(refusal) => {
                landing.land(Brought::Failed(refusal));
                return Ok(());
            }
        };
        let status = arrival.answer.status;
        let length = Pages::declared_length(&arrival.answer);
        let max_bytes = self.pages.cache().max_entry_bytes();
        let admitted = self.pages.admit(&asked, &arrival.answer)?;
        let is_page = admitted.is_some() && length.is_none_or(|length| length <= max_bytes);
        if !is_page {
            self.pages.not_shared(&asked, status);
        }
        let room = Room::begin(&self.room, length.unwrap_or(FIRST_ROOM_BYTES));
        let (true, Some(head), Some(mut room)) = (is_page, admitted, room) else {
            landing.land(Brought::Unshared(status));
            // Nobody may be there: then the connection ends.
            drop(alone.send(arrival));
            return Ok(());
        };
        let head = Arc::new(head);
        let (recorder, tape) = tape::record();
        landing.announce(Brought::Page(Arc::clone(&head), tape));
        let recorded = record(arrival, &recorder, length, &mut room, max_bytes);
        let recorded = tokio::time::timeout(BODY_TIMEOUT, recorded).await;
        let mut is_whole = false;
        match &recorded {
            Ok(Ok(Recorded::Whole(last, _))) => {
                let body = recorder.joined(last.as_ref());
                is_whole = length.is_none_or(|length| length == body.len());
                if is_whole {
                    self.pages.keep(&asked, Pages::entry(&head, body)?);
                }
            }
            Ok(Ok(Recorded::TooLong(_))) => self.pages.not_shared(&asked, status),
            Ok(Err(_)) | Err(_) => {}
        }
        // Before anybody can know how it ended: whoever asks after that must
        // find what is kept, and nothing to join.
        drop(landing);
        match recorded {
            Ok(Ok(Recorded::Whole(last, arrival))) if is_whole => {
                if let Some(last) = last {
                    recorder.push(last);
                }
                recorder.end(End::Whole);
                arrival.finish().await;
            }
            Ok(Ok(Recorded::Whole(..))) => {}
            Ok(Ok(Recorded::TooLong(arrival))) => {
                drop(alone.send(arrival));
                recorder.end(End::TooLong);
            }
            Ok(Err(error)) => {
                metrics::origin_failed(site.prefix(), &Refusal::UpstreamBroken);
                tracing::warn!(prefix = site.prefix(), %error, "origin broke off");
            }
            Err(_) => metrics::origin_failed(site.prefix(), &Refusal::DeadlineExceeded),
        }
        Ok(())
    }
}

/// What a body that arrives may take of the room for all of them.
struct Room {
    pieces: OwnedSemaphorePermit,
}

impl Room {
    /// Room for so many bytes, if there is any.
    fn begin(room: &Arc<Semaphore>, bytes: usize) -> Option<Self> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).ok()?;
        let pieces = Arc::clone(room).try_acquire_many_owned(pieces).ok()?;
        Some(Self { pieces })
    }

    /// Grows, if it must, to twice its size and at least to so many bytes. Says
    /// whether there is room.
    fn grow(&mut self, bytes: usize) -> bool {
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

/// How the recording of a body ended.
enum Recorded {
    /// The last part is not recorded yet, when the length was told.
    Whole(Option<Bytes>, Arrival),
    TooLong(Arrival),
}

async fn record(
    mut arrival: Arrival,
    recorder: &Recorder,
    length: Option<usize>,
    room: &mut Room,
    max_bytes: usize,
) -> Result<Recorded> {
    let mut bytes = 0;
    while let Some(chunk) = arrival.next().await? {
        bytes += chunk.len();
        if length == Some(bytes) {
            return Ok(Recorded::Whole(Some(chunk), arrival));
        }
        recorder.push(chunk);
        if bytes > max_bytes || !room.grow(bytes) {
            return Ok(Recorded::TooLong(arrival));
        }
    }
    Ok(Recorded::Whole(None, arrival))
}
