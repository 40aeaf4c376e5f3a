//! A kept answer of plain HTTP: its headers, ready to be sent, its body, and
//! what decides about their use.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{
        AGE, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE,
        PROXY_AUTHENTICATE, SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use pingora::{Result, http::ResponseHeader};

use super::{
    body::Body,
    date,
    freshness::{Exchange, Freshness},
    tags,
    validators::Validators,
    vary::Vary,
};
use crate::{
    cache::epochs::{Epoch, Epochs, Slot},
    headers,
};

/// What an entry costs beside its bytes.
const OVERHEAD_BYTES: usize = 512;
/// What a header costs beside its bytes.
const HEADER_BYTES: usize = 64;
/// What speaks of a connection, and so is neither kept nor passed on (RFC
/// 9111, section 3.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
];
/// What a 304 does not change: the body that it speaks of is the one kept
/// (RFC 9111, section 3.2).
const OF_THE_BODY: [HeaderName; 4] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    CONTENT_TYPE,
];

/// Everything of a kept answer but its body.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its headers, as they are sent.
    pub answer: ResponseHeader,
    /// How long it is good.
    pub freshness: Freshness,
    /// Which requests it is for.
    pub vary: Vary,
    /// What tells it from its other versions.
    pub validators: Validators,
    /// When it was asked for, in the order of purges.
    pub epoch: Epoch,
    /// Its tags.
    pub slots: Box<[Slot]>,
    /// When it was asked for and came.
    pub exchange: Exchange,
    /// What a 304 that freshens it is added to: the tags' headers included.
    origin: HeaderMap,
}

impl Head {
    /// Takes in an answer's headers.
    ///
    /// # Errors
    /// Never in practice: all values are valid headers.
    pub fn new(
        mut answer: ResponseHeader,
        freshness: Freshness,
        vary: Vary,
        (epoch, slots): (Epoch, Box<[Slot]>),
        exchange: Exchange,
    ) -> Result<Self> {
        let date_ms = answer
            .headers
            .get(DATE)
            .and_then(date::parse)
            .unwrap_or(exchange.answered_ms);
        let validators = Validators::of(&answer.headers, date_ms);
        strip(&mut answer);
        let origin = answer.headers.clone();
        answer.remove_header(&SERVER);
        answer.remove_header(&AGE);
        tags::hide(&mut answer);
        // Without the names as they were spelled: HTTP/1 compares them in any
        // case, and each copy costs.
        let mut plain =
            ResponseHeader::build_no_case(answer.status, Some(answer.headers.len() + 8))?;
        for (name, value) in &answer.headers {
            plain.append_header(name.clone(), value.clone())?;
        }
        Ok(Self {
            answer: plain,
            freshness,
            vary,
            validators,
            epoch,
            slots,
            exchange,
            origin,
        })
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.answer.status
    }

    /// Whether nothing of it was purged since it was asked for.
    pub fn is_valid(&self, epochs: &Epochs) -> bool {
        epochs.is_valid(self.epoch, &self.slots)
    }

    /// How fresh it is. A soft purge ends that.
    pub fn freshness(&self, epochs: &Epochs) -> Freshness {
        match epochs.softened_ms(self.epoch, &self.slots) {
            Some(at_ms) => self.freshness.stale_from(at_ms),
            None => self.freshness,
        }
    }

    /// The headers of the origin, with those that a 304 brought instead.
    pub fn freshened(&self, not_modified: &ResponseHeader) -> Result<ResponseHeader> {
        let mut fresh = ResponseHeader::build(self.status(), Some(self.origin.len()))?;
        let mut newer = not_modified.clone();
        strip(&mut newer);
        for name in &OF_THE_BODY {
            newer.remove_header(name);
        }
        // A kept age is over.
        let older = self.origin.iter().filter(|(name, _)| {
            !newer.headers.contains_key(*name) && **name != AGE && **name != DATE
        });
        for (name, value) in older.chain(&newer.headers) {
            fresh.append_header(name.clone(), value.clone())?;
        }
        Ok(fresh)
    }

    /// With the length of its body.
    ///
    /// # Errors
    /// Never in practice: a number is a valid header.
    pub fn with_length(&self, length: usize) -> Result<Self> {
        let mut head = self.clone();
        if head.status() != StatusCode::NO_CONTENT {
            head.answer.insert_header(CONTENT_LENGTH, length)?;
        }
        Ok(head)
    }

    /// Its bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        let headers = [&self.answer.headers, &self.origin];
        let headers = headers.into_iter().flatten();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES)
            .sum();
        headers + self.vary.weight() + self.slots.len() * size_of::<Slot>() + OVERHEAD_BYTES
    }
}

/// A kept answer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Entry {
    /// All but its body.
    pub head: Arc<Head>,
    /// Its body, whole.
    pub body: Body,
}

impl Entry {
    /// Its bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        self.head.weight() + self.body.memory_bytes()
    }

    /// All its bytes, wherever they are, roughly.
    pub fn size(&self) -> usize {
        self.head.weight() + self.body.length()
    }
}

/// Takes out what speaks of the connection that an answer came over.
pub fn strip(answer: &mut ResponseHeader) {
    for name in headers::named_by_connection(&answer.headers) {
        answer.remove_header(&name);
    }
    for name in &HOP_BY_HOP {
        answer.remove_header(name);
    }
}

/// The headers that speak of a connection, whoever sends them.
pub fn hop_by_hop() -> &'static [HeaderName] {
    static NAMES: [HeaderName; 9] = HOP_BY_HOP;
    &NAMES
}
