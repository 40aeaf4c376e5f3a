//! Fetches pages, and keeps those that may be kept.
//!
//! A fetch belongs to nobody: it runs by itself, over a connection of the
//! cache's own, and callers read what it brings while it arrives. None of them
//! can break it off. What turns out to be for one caller alone is handed,
//! connection and all, to the one it was asked for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::StatusCode;
use pingora::{Result, http::RequestHeader};
use tokio::sync::{Semaphore, oneshot};

use super::{
    directives::Wanted,
    entry::{Entry, Head},
    fetch::{Arrival, Fetch},
    pages::{Asked, Freshened, Pages},
    status::is_failure,
    tape::{self, Recorder, Tape},
    url::Url,
    vary::Variant,
};
use crate::{
    cache::{
        flight::Landing,
        room::{self, Room},
    },
    metrics,
    refusal::Refusal,
    site::Site,
};

/// How long a body may take that is kept, from first to last byte. The rest of
/// one that takes longer goes to its first caller alone.
/// So many times that for which an origin may be silent.
const BODY_TIMEOUTS: u32 = 12;
/// Bodies that arrive, and those that somebody still reads as they arrived,
/// may take this part of what the cache may hold.
const ARRIVING_PART: usize = 4;
/// Room for a body whose length is not told, to begin with.
const FIRST_ROOM_BYTES: usize = 64 * 1024;

/// A fetch: of a URL, with or without an authorization, for one kind of
/// request. Who has none must not wait for what is for those who have one.
pub type Question = (Url, bool, Variant);

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
    /// Room for all bodies that arrive.
    room: Arc<Semaphore>,
    /// How long an origin may be silent.
    timeout: Duration,
}

impl Filler {
    /// Keeps pages among these.
    pub fn new(pages: Arc<Pages>, timeout: Duration) -> Self {
        Self {
            room: room::of(pages.cache().max_bytes() / ARRIVING_PART),
            pages,
            fetch: Fetch::default(),
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
                    drop(sent); // its place is the next one's
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
        // Nobody is given a failure who may have a good page instead.
        let is_covered = is_failure(status)
            && kept
                .as_ref()
                .is_some_and(|kept| self.pages.covers_failure(kept, &Wanted::default()));
        let is_page =
            admitted.is_some() && !is_covered && length.is_none_or(|length| length <= max_bytes);
        if !is_page {
            self.pages.not_shared(&asked, status);
        }
        let room = Room::begin(&self.room, length.unwrap_or(FIRST_ROOM_BYTES));
        let (true, Some(head), Some(room)) = (is_page, admitted, room) else {
            landing.land(Brought::Unshared(status));
            // Nobody may be there: then the connection ends.
            drop(alone.send(arrival));
            return Ok(());
        };
        let head = Arc::new(head);
        let (recorder, tape) = tape::record(room);
        landing.announce(Brought::Page(Arc::clone(&head), tape));
        let recorded = record(
            arrival,
            &recorder,
            length,
            max_bytes,
            self.timeout * BODY_TIMEOUTS,
        )
        .await;
        let mut whole = None;
        match &recorded {
            Ok(Recorded::Whole(last, _)) => {
                let body = recorder.joined(last.as_ref());
                if length.is_none_or(|length| length == body.len()) {
                    self.pages.keep(&asked, Pages::entry(&head, body.clone())?);
                    whole = Some(body);
                }
            }
            Ok(Recorded::TooLong(_)) => self.pages.not_shared(&asked, status),
            Ok(Recorded::NoRoom(_)) | Err(_) => {}
        }
        // Before anybody can know how it ended: whoever asks after that must
        // find what is kept, and nothing to join.
        drop(landing);
        match recorded {
            Ok(Recorded::Whole(last, arrival)) => {
                if let Some(whole) = whole {
                    recorder.whole(last, whole);
                    arrival.finish().await;
                }
            }
            Ok(Recorded::TooLong(arrival) | Recorded::NoRoom(arrival)) => {
                drop(alone.send(arrival));
                recorder.too_long();
            }
            Err(error) => {
                metrics::origin_failed(site.prefix(), &Refusal::UpstreamBroken);
                tracing::warn!(prefix = site.prefix(), %error, "origin broke off");
            }
        }
        Ok(())
    }
}

/// How the recording of a body ended.
enum Recorded {
    /// The last part is not recorded yet, when the length was told.
    Whole(Option<Bytes>, Arrival),
    /// In bytes or in time.
    TooLong(Arrival),
    /// It might have been kept at another time.
    NoRoom(Arrival),
}

async fn record(
    mut arrival: Arrival,
    recorder: &Recorder,
    length: Option<usize>,
    max_bytes: usize,
    patience: Duration,
) -> Result<Recorded> {
    let mut bytes = 0;
    let end = Instant::now() + patience;
    while let Some(chunk) = arrival.next().await? {
        bytes += chunk.len();
        if length == Some(bytes) {
            return Ok(Recorded::Whole(Some(chunk), arrival));
        }
        recorder.push(chunk);
        if bytes > max_bytes || Instant::now() >= end {
            return Ok(Recorded::TooLong(arrival));
        }
        if !recorder.grow(bytes) {
            return Ok(Recorded::NoRoom(arrival));
        }
    }
    Ok(Recorded::Whole(None, arrival))
}
