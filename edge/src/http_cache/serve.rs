//! Writes pages to callers: whole, in part, or the word that they have them.

use std::{io, ops::Range};

use bytes::Bytes;
use http::{
    HeaderName, Method, StatusCode, Version,
    header::{
        AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, ETAG, EXPIRES,
        LAST_MODIFIED, TRANSFER_ENCODING, VARY,
    },
};
use pingora::{Error, ErrorType, OrErr as _, Result, http::ResponseHeader, proxy::Session};

use super::{
    body::Opened,
    directives::CDN_CACHE_CONTROL,
    entry::{self, Entry, Head},
    fetch::Arrival,
    pages::Pages,
    range::Part,
    tags,
    tape::{End, Next, Tape},
};
use crate::{answer, context::Context, headers};

/// What a 304 repeats (RFC 9110, section 15.4.5).
const IN_NOT_MODIFIED: [HeaderName; 7] = [
    CACHE_CONTROL,
    CDN_CACHE_CONTROL,
    CONTENT_LOCATION,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    VARY,
];

/// What is sent of a page.
struct Reply {
    answer: ResponseHeader,
    /// Which bytes; `None`: no body.
    bytes: Option<Range<usize>>,
}

/// A page that is whole, and can be sent: its body is there.
#[derive(Debug)]
pub struct Prepared {
    answer: ResponseHeader,
    /// `None`: no body.
    body: Option<PreparedBody>,
}

#[derive(Debug)]
struct PreparedBody {
    opened: Opened,
    first: Bytes,
    rest: Range<usize>,
}

impl Prepared {
    /// Whether a body is sent.
    pub fn has_body(&self) -> bool {
        self.body.is_some()
    }
}

/// Prepares a page that is whole.
///
/// # Errors
/// Inside: when its body is on disk, and is lost there, or the disk is busy.
/// Nothing has been sent then.
pub async fn prepare(
    session: &Session,
    entry: &Entry,
    now_ms: i64,
) -> Result<io::Result<Prepared>> {
    let Reply { answer, bytes } = reply(session, &entry.head, Some(entry.body.length()), now_ms)?;
    let Some(bytes) = bytes else {
        return Ok(Ok(Prepared { answer, body: None }));
    };
    let body = async {
        let opened = entry.body.open().await?;
        let middle = bytes
            .end
            .min(bytes.start.saturating_add(opened.part_bytes()));
        Ok(PreparedBody {
            first: opened.read(bytes.start..middle).await?,
            rest: middle..bytes.end,
            opened,
        })
    };
    Ok(body.await.map(|body| Prepared {
        answer,
        body: Some(body),
    }))
}

/// Sends it. Returns the bytes of its body that were sent.
///
/// # Errors
/// When the caller is gone, or the disk fails.
pub async fn send(session: &mut Session, context: &Context, prepared: Prepared) -> Result<usize> {
    let Prepared { answer, body } = prepared;
    write_header(session, context, answer, body.is_none()).await?;
    let Some(PreparedBody {
        opened,
        first,
        rest,
    }) = body
    else {
        session.write_response_body(None, true).await?;
        return Ok(0);
    };
    let sent = first.len() + rest.len();
    answer::write_body(session, first, rest.is_empty()).await?;
    let step = opened.part_bytes();
    for start in rest.clone().step_by(step) {
        let end = rest.end.min(start.saturating_add(step));
        let part = opened.read(start..end).await;
        let part = part.or_err(ErrorType::FileReadError, "a kept body")?;
        session
            .write_response_body(Some(part), end == rest.end)
            .await?;
    }
    Ok(sent)
}

/// What a caller is sent of a page; `length` is its body's, if that is known.
fn reply(session: &Session, head: &Head, length: Option<usize>, now_ms: i64) -> Result<Reply> {
    let request = session.req_header();
    if head.status().is_success() && head.validators.is_known(&request.headers) {
        let answer = aged(not_modified(head)?, head, now_ms)?;
        return Ok(Reply {
            answer,
            bytes: None,
        });
    }
    let mut answer = aged(head.answer.clone(), head, now_ms)?;
    if request.method == Method::HEAD {
        return Ok(Reply {
            answer,
            bytes: None,
        });
    }
    let whole = 0..length.unwrap_or(usize::MAX);
    let part = match length {
        Some(length)
            if head.status() == StatusCode::OK && head.validators.lets_part(&request.headers) =>
        {
            Part::of(&request.headers, length)
        }
        _ => Part::Whole,
    };
    let bytes = match (part, length) {
        (Part::Bytes(bytes), Some(length)) => {
            answer.set_status(StatusCode::PARTIAL_CONTENT)?;
            let range = format!("bytes {}-{}/{length}", bytes.start, bytes.end - 1);
            answer.insert_header(CONTENT_RANGE, range)?;
            answer.insert_header(CONTENT_LENGTH, bytes.len())?;
            bytes
        }
        (Part::Unsatisfiable, Some(length)) => {
            let mut answer =
                ResponseHeader::build_no_case(StatusCode::RANGE_NOT_SATISFIABLE, None)?;
            answer.insert_header(CONTENT_RANGE, format!("bytes */{length}"))?;
            answer.insert_header(CONTENT_LENGTH, 0)?;
            return Ok(Reply {
                answer,
                bytes: None,
            });
        }
        _ => whole,
    };
    Ok(Reply {
        answer,
        bytes: Some(bytes),
    })
}

fn aged(mut answer: ResponseHeader, head: &Head, now_ms: i64) -> Result<ResponseHeader> {
    answer.insert_header(AGE, head.freshness.age_ms(now_ms) / 1000)?;
    Ok(answer)
}

fn not_modified(head: &Head) -> Result<ResponseHeader> {
    let mut answer = ResponseHeader::build_no_case(StatusCode::NOT_MODIFIED, None)?;
    for name in &IN_NOT_MODIFIED {
        for value in head.answer.headers.get_all(name) {
            answer.append_header(name.clone(), value.clone())?;
        }
    }
    Ok(answer)
}

/// How the serving of a page that arrives ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Served {
    /// The caller has it.
    All,
    /// It is too long to be kept, and this much of it was sent.
    Until(usize),
    /// It is too long to be kept, and nothing was sent.
    Nothing,
}

/// Serves a page while it arrives. With `alone`, the rest of one that turns
/// out to be too long comes to this caller; others wait until it is sure that
/// there is no such rest.
///
/// # Errors
/// When the caller is gone or the origin broke off.
pub async fn arriving(
    session: &mut Session,
    context: &Context,
    head: &Head,
    tape: &mut Tape,
    alone: bool,
    now_ms: i64,
) -> Result<Served> {
    let declared = match head.status() {
        StatusCode::NO_CONTENT => Some(0),
        _ => Pages::declared_length(&head.answer),
    };
    if declared.is_none() && !alone {
        let body = match tape.whole().await {
            Ok(body) => body,
            Err(End::TooLong) => return Ok(Served::Nothing),
            Err(End::Torn | End::Whole) => return torn(),
        };
        let whole = prepare(session, &Pages::entry(head, body)?, now_ms).await?;
        send(
            session,
            context,
            whole.or_err(ErrorType::FileReadError, "a body")?,
        )
        .await?;
        return Ok(Served::All);
    }
    let Reply { mut answer, bytes } = reply(session, head, declared, now_ms)?;
    if bytes.is_some() && declared.is_none() {
        chunk(session, &mut answer)?;
    }
    write_header(session, context, answer, bytes.is_none()).await?;
    let Some(bytes) = bytes else {
        session.write_response_body(None, true).await?;
        return Ok(Served::All);
    };
    let (mut number, mut at) = (0, 0);
    while at < bytes.end {
        match tape.next(number).await {
            Next::Chunk(chunk) => {
                let start = bytes.start.saturating_sub(at).min(chunk.len());
                let end = bytes.end.saturating_sub(at).min(chunk.len());
                if start < end {
                    session
                        .write_response_body(Some(chunk.slice(start..end)), false)
                        .await?;
                }
                at += chunk.len();
                number += 1;
            }
            Next::End(End::Whole) => break,
            Next::End(End::TooLong) => return Ok(Served::Until(at)),
            Next::End(End::Torn) => return torn(),
        }
    }
    session.write_response_body(None, true).await?;
    Ok(Served::All)
}

/// Hands an answer that is for this caller alone on, as it comes.
///
/// # Errors
/// When the caller is gone or the origin broke off.
pub async fn alone(session: &mut Session, context: &Context, arrival: Arrival) -> Result<()> {
    let mut answer = arrival.answer.clone();
    entry::strip(&mut answer);
    tags::hide(&mut answer);
    let bodiless = answer.status == StatusCode::NO_CONTENT
        || answer.status == StatusCode::NOT_MODIFIED
        || session.req_header().method == Method::HEAD;
    if !bodiless && !answer.headers.contains_key(CONTENT_LENGTH) {
        chunk(session, &mut answer)?;
    }
    write_header(session, context, answer, bodiless).await?;
    if session.req_header().method == Method::HEAD {
        // The whole was asked for; its body is for nobody.
        return session.write_response_body(None, true).await;
    }
    rest(session, arrival).await
}

/// Hands the rest of a body on.
///
/// # Errors
/// When the caller is gone or the origin broke off.
pub async fn rest(session: &mut Session, mut arrival: Arrival) -> Result<()> {
    while let Some(chunk) = arrival.next().await.map_err(Error::into_up)? {
        session.write_response_body(Some(chunk), false).await?;
    }
    arrival.finish().await;
    session.write_response_body(None, true).await
}

async fn write_header(
    session: &mut Session,
    context: &Context,
    mut answer: ResponseHeader,
    end: bool,
) -> Result<()> {
    headers::dress(&mut answer, context)?;
    session.write_response_header(Box::new(answer), end).await
}

/// A body of unknown length goes out in chunks, or until the connection ends.
fn chunk(session: &Session, answer: &mut ResponseHeader) -> Result<()> {
    if session.req_header().version == Version::HTTP_11 {
        answer.insert_header(TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}

/// The origin broke off: the caller must not take what it has for the whole.
pub fn torn<T>() -> Result<T> {
    Err(Error::new_up(ErrorType::ConnectionClosed))
}
