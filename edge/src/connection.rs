//! One connection of a caller, between the socket and the protocol. It ends
//! those who keep it without using it: who does not send a whole request, in
//! time and in bounds, and who asks over and over and never waits for the
//! answer. It reads no more of what is sent than the first bytes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Buf as _, BytesMut};
use pingora::{
    http::ResponseHeader,
    protocols::{Digest, GetProxyDigest, Peek, Shutdown, Stream, raw_connect::ProxyDigest},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use crate::forward::forward_to_stream;

/// Bytes that may come before the head of a request is whole. More than its
/// headers may have: those are counted later, and refused with a reason.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Requests of HTTP/2 that a caller may leave, over those it waits for, before
/// its connection is ended (CVE-2023-44487).
const MAX_ABANDONED: u32 = 100;
/// How a connection of HTTP/2 begins (RFC 9113, section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// How long callers may take. What they may take to read an answer, or to send
/// a body, stands here too, and is kept to by whoever reads and writes those.
#[derive(Debug, Clone, clap::Args)]
pub struct Patience {
    /// How long a caller may take to send the head of a request, from its
    /// first byte to its last.
    #[arg(long, env = "SOUK_EDGE_HEAD_TIMEOUT_MS", default_value_t = 10_000)]
    pub head_timeout_ms: u64,
    /// How long a connection may be without a request.
    #[arg(long, env = "SOUK_EDGE_IDLE_TIMEOUT_MS", default_value_t = 300_000)]
    pub idle_timeout_ms: u64,
    /// How long a caller may take to send the next part of a body.
    #[arg(long, env = "SOUK_EDGE_READ_TIMEOUT_MS", default_value_t = 60_000)]
    pub read_timeout_ms: u64,
    /// How long a caller may take to read the next part of an answer.
    #[arg(long, env = "SOUK_EDGE_WRITE_TIMEOUT_MS", default_value_t = 60_000)]
    pub write_timeout_ms: u64,
}

impl Patience {
    /// How long the head of a request may take.
    pub fn head(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    /// How long a connection may be without a request.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    /// How long the next part of a body may take.
    pub fn read(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    /// How long the next part of an answer may take.
    pub fn write(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Nothing of a request has come yet.
    Idle,
    /// A part of its head has.
    Head,
    /// All of its head has; or it is HTTP/2, whose frames look after themselves.
    Busy,
}

/// What those who answer a connection's requests know about it.
#[derive(Debug, Clone)]
pub struct Conduct(Arc<State>);

#[derive(Debug)]
struct State {
    phase: AtomicU8,
    /// Requests of HTTP/1 that were waited for, after the first.
    waits: AtomicU32,
    abandoned: AtomicU32,
    ended: AtomicBool,
}

impl Conduct {
    fn new() -> Self {
        Self(Arc::new(State {
            phase: AtomicU8::new(Phase::Idle as u8),
            waits: AtomicU32::new(0),
            abandoned: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        }))
    }

    /// Of the connection that a session came over.
    pub fn of(digest: Option<&Digest>) -> Option<&Self> {
        let ours = digest?.proxy_digest.as_ref()?.user_data.as_deref()?;
        ours.downcast_ref()
    }

    /// The next request of HTTP/1 is waited for.
    pub fn await_request(&self) {
        if self.is(Phase::Busy) {
            self.0.waits.fetch_add(1, Relaxed);
            self.set(Phase::Idle);
        }
    }

    /// Its head is whole.
    pub fn request_came(&self) {
        self.set(Phase::Busy);
    }

    /// A request was answered to its end.
    pub fn answered(&self) {
        let less = |count: u32| count.checked_sub(1);
        let _ = self.0.abandoned.fetch_update(Relaxed, Relaxed, less);
    }

    /// The caller did not wait for an answer.
    pub fn abandoned(&self) {
        if self.0.abandoned.fetch_add(1, Relaxed) >= MAX_ABANDONED {
            self.0.ended.store(true, Relaxed);
        }
    }

    fn set(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Relaxed);
    }

    fn is(&self, phase: Phase) -> bool {
        self.0.phase.load(Relaxed) == phase as u8
    }
}

/// A stream that is watched.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    conduct: Conduct,
    digest: Arc<ProxyDigest>,
    patience: Patience,
    /// Read ahead, to tell HTTP/2 from HTTP/1.
    peeked: BytesMut,
    /// Requests that were waited for before this one.
    waits: u32,
    /// Bytes of its head so far.
    head_bytes: usize,
    is_h2: bool,
    deadline: Instant,
    /// Fires at the deadline or before; it is set back only when it fires.
    alarm: Pin<Box<Sleep>>,
}

impl Connection {
    /// Watches a stream on which nothing was said yet.
    ///
    /// # Errors
    /// Never in practice.
    pub fn new(stream: Stream, patience: Patience) -> pingora::Result<Self> {
        let conduct = Conduct::new();
        // The one place of a connection's digest that takes what is ours.
        let digest = ProxyDigest::new(
            Box::new(ResponseHeader::build(200, Some(0))?),
            Some(Box::new(conduct.clone())),
        );
        // Who has just come has something to say.
        let deadline = Instant::now() + patience.head();
        Ok(Self {
            stream,
            conduct,
            digest: Arc::new(digest),
            patience,
            peeked: BytesMut::new(),
            waits: 0,
            head_bytes: 0,
            is_h2: false,
            deadline,
            alarm: Box::pin(tokio::time::sleep_until(deadline)),
        })
    }

    fn set_deadline(&mut self, after: Duration) {
        self.deadline = Instant::now() + after;
        if self.alarm.deadline() > self.deadline {
            self.alarm.as_mut().reset(self.deadline);
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            let deadline = self.deadline;
            self.alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Bytes came while the head of a request was not whole.
    fn heard(&mut self, bytes: &[u8]) {
        let first = self.head_bytes == 0;
        let preface = H2_PREFACE.get(self.head_bytes..).unwrap_or_default();
        let count = preface.len().min(bytes.len());
        self.is_h2 = (first || self.is_h2) && bytes[..count] == preface[..count];
        self.head_bytes += bytes.len();
        if first {
            self.conduct.set(Phase::Head);
            self.set_deadline(self.patience.head());
        }
        if self.is_h2 && self.head_bytes >= H2_PREFACE.len() {
            self.conduct.request_came();
        }
    }

    /// Tells a caller of HTTP/1 who has begun to speak why it is cut off, if
    /// there is room for it.
    fn cut_off(&mut self, cx: &mut Context<'_>, word: &[u8]) -> io::Error {
        if self.conduct.is(Phase::Head) && !self.is_h2 {
            let _ = Pin::new(&mut self.stream).poll_write(cx, word);
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.conduct.0.ended.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if this.conduct.is(Phase::Busy) {
            return this.poll_bytes(cx, buffer);
        }
        let waits = this.conduct.0.waits.load(Relaxed);
        if this.waits != waits {
            this.waits = waits;
            this.head_bytes = 0;
            this.set_deadline(this.patience.idle());
        }
        if this.head_bytes >= MAX_HEAD_BYTES {
            return Poll::Ready(Err(this.cut_off(cx, TOO_LARGE)));
        }
        let before = buffer.filled().len();
        match this.poll_bytes(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let bytes = &buffer.filled()[before..];
                if !bytes.is_empty() {
                    this.heard(bytes);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                ready!(this.poll_deadline(cx));
                Poll::Ready(Err(this.cut_off(cx, TIMED_OUT)))
            }
        }
    }
}

impl Connection {
    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.peeked.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.peeked.len().min(buffer.remaining());
        buffer.put_slice(&self.peeked[..count]);
        self.peeked.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl Peek for Connection {
    /// Looks whether a connection begins as HTTP/2 does; no further than until
    /// it is known that it does not, since a short request of HTTP/1 may be
    /// all that comes. The rest of the buffer is left as it is then.
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let deadline = self.deadline;
        let peek = async {
            while self.peeked.len() < buffer.len() && H2_PREFACE.starts_with(&self.peeked) {
                if self.stream.read_buf(&mut self.peeked).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok::<(), io::Error>(())
        };
        tokio::time::timeout_at(deadline, peek).await??;
        let count = self.peeked.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.peeked[..count]);
        Ok(true)
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

forward_to_stream!(Connection);

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}
