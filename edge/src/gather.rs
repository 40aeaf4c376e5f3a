//! Gathers what a connection writes: each write makes a record of TLS and a
//! call of the kernel, and wakes the other side.
//!
//! The library of HTTP/2 writes and flushes each frame by itself, and many
//! small answers at once are cheaper as one: what is written waits until the
//! connection has done all it can for now, or until a record is full. That of
//! HTTP/1 writes the head of an answer and then its body: there a head waits
//! for what comes next, and nothing else waits.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use async_trait::async_trait;
use bytes::{Buf as _, BytesMut};
use pingora::protocols::{GetProxyDigest, Peek, Shutdown, Stream, raw_connect::ProxyDigest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::forward::forward_to_stream;

/// What waits at most: a record of TLS.
const GATHER_BYTES: usize = 16 * 1024;
/// The head of an answer that waits for its body. A longer one goes at once.
const HEAD_BYTES: usize = 1460;
/// Slices that go out together with what waits.
const MAX_SLICES: usize = 8;

/// A stream whose writes are gathered.
pub struct Gathered<S: AsyncWrite + Unpin = Stream> {
    stream: S,
    waiting: BytesMut,
    state: State,
    until: Until,
}

/// How long what was written waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The writer has flushed, and reads again.
    Read,
    /// The writer flushes, or writes more.
    More,
}

/// How far what was written has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Out.
    Clean,
    /// Here or in the stream below, and not flushed by the writer yet.
    Written,
    /// The writer has flushed. It is woken and reads before it rests: the
    /// flush is done then, with what it has written until there.
    Flushed,
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Gathers what is written before the writer reads again.
    pub fn until_read(stream: S) -> Self {
        Self::new(stream, Until::Read)
    }

    /// Holds what is written after a flush until there is more.
    pub fn until_more(stream: S) -> Self {
        Self::new(stream, Until::More)
    }

    fn new(stream: S, until: Until) -> Self {
        Self {
            stream,
            waiting: BytesMut::new(),
            state: State::Clean,
            until,
        }
    }

    /// What may wait now.
    fn room(&self) -> usize {
        match self.until {
            Until::Read => GATHER_BYTES,
            Until::More if self.state == State::Clean => HEAD_BYTES,
            Until::More => 0,
        }
    }

    /// Hands on what waits, with `more` behind it; says how much of `more` was
    /// taken.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        more: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let waiting = self.waiting.len();
            let sent = if waiting == 0 {
                ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, more))?
            } else {
                let mut slices = [io::IoSlice::new(&[]); MAX_SLICES];
                let waits = std::iter::once(io::IoSlice::new(&self.waiting));
                let mut count = 0;
                for (slot, slice) in slices.iter_mut().zip(waits.chain(more.iter().copied())) {
                    *slot = slice;
                    count += 1;
                }
                ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count]))?
            };
            if sent > waiting || waiting == 0 {
                self.waiting.clear();
                return Poll::Ready(Ok(sent - waiting));
            }
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(sent);
            if self.waiting.is_empty() && more.is_empty() {
                return Poll::Ready(Ok(0));
            }
        }
    }

    /// Brings all out.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.waiting.is_empty() {
            ready!(self.poll_send(cx, &[]))?;
        }
        // A quiet connection keeps no memory for it.
        self.waiting = BytesMut::new();
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.state = State::Clean;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let more: usize = slices.iter().map(|slice| slice.len()).sum();
        if more == 0 {
            return Poll::Ready(Ok(0));
        }
        let room = this.room();
        if this.state == State::Clean {
            this.state = State::Written;
        }
        if this.waiting.len() + more > room {
            return this.poll_send(cx, slices);
        }
        if this.waiting.capacity() == 0 {
            this.waiting.reserve(room);
        }
        for slice in slices {
            this.waiting.extend_from_slice(slice);
        }
        Poll::Ready(Ok(more))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.until == Until::More {
            return this.poll_out(cx);
        }
        if this.state == State::Written {
            this.state = State::Flushed;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_out(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.state == State::Flushed
            && let Poll::Ready(Err(error)) = this.poll_out(cx)
        {
            return Poll::Ready(Err(error));
        }
        // What does not get out now wakes us when it can.
        Pin::new(&mut this.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> Drop for Gathered<S> {
    /// What waits goes out as far as it can: a connection that breaks off owes
    /// its caller what it has written.
    fn drop(&mut self) {
        if !self.waiting.is_empty() {
            let _ = self.poll_out(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl<S: AsyncWrite + Unpin> fmt::Debug for Gathered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered")
            .field("waiting", &self.waiting.len())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for Gathered {
    async fn shutdown(&mut self) {
        let _gone = std::future::poll_fn(|cx| self.poll_out(cx)).await;
        self.stream.shutdown().await;
    }
}

forward_to_stream!(Gathered);

impl GetProxyDigest for Gathered {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.stream.set_proxy_digest(digest);
    }
}

#[async_trait]
impl Peek for Gathered {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buffer).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    /// Takes so many bytes at a time, and notes each call.
    #[derive(Default)]
    struct Below {
        takes: Vec<usize>,
        calls: usize,
        taken: Vec<u8>,
        flushed: usize,
        /// Hears at each flush what was taken.
        told: Option<Arc<Mutex<Vec<u8>>>>,
    }

    impl AsyncRead for Below {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Below {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let most = match self.takes.len() {
                0 => usize::MAX,
                many => self.takes[self.calls % many],
            };
            self.calls += 1;
            if most == 0 {
                return Poll::Pending;
            }
            let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
            let before = self.taken.len();
            self.taken.extend(bytes.take(most));
            Poll::Ready(Ok(self.taken.len() - before))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushed = self.taken.len();
            if let Some(told) = &self.told {
                told.lock().unwrap().clone_from(&self.taken);
            }
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn write(stream: &mut Gathered<Below>, bytes: &[u8]) -> Poll<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(stream)
            .poll_write(&mut cx, bytes)
            .map(Result::unwrap)
    }

    fn flush(stream: &mut Gathered<Below>) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(stream).poll_flush(&mut cx).is_ready());
    }

    fn flush_all(stream: &mut Gathered<Below>) {
        let mut cx = Context::from_waker(Waker::noop());
        while Pin::new(&mut *stream).poll_flush(&mut cx).is_pending() {}
    }

    fn read(stream: &mut Gathered<Below>) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = [0; 8];
        let read = Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut room));
        assert!(read.is_pending());
    }

    #[test]
    fn frames_that_are_flushed_one_by_one_go_out_as_one() {
        let mut stream = Gathered::until_read(Below::default());
        for frame in [b"one ", b"two "] {
            assert_eq!(write(&mut stream, frame), Poll::Ready(4));
            flush(&mut stream);
        }
        assert_eq!(stream.stream.calls, 0);
        read(&mut stream);
        assert_eq!((stream.stream.calls, stream.stream.flushed), (1, 8));
        assert_eq!(stream.stream.taken, b"one two ");
    }

    #[test]
    fn more_than_a_record_does_not_wait() {
        let mut stream = Gathered::until_read(Below::default());
        let large = vec![7; GATHER_BYTES];
        assert_eq!(write(&mut stream, b"head"), Poll::Ready(4));
        assert_eq!(write(&mut stream, &large), Poll::Ready(large.len()));
        assert_eq!(
            (stream.stream.calls, stream.stream.taken.len()),
            (1, 4 + large.len())
        );
    }

    #[test]
    fn a_head_goes_out_with_its_body_and_nothing_else_waits() {
        let mut stream = Gathered::until_more(Below::default());
        for (calls, part, taken) in [
            (0, "head", ""),
            (1, "body", "headbody"),
            (2, "more", "headbodymore"),
        ] {
            assert_eq!(write(&mut stream, part.as_bytes()), Poll::Ready(4));
            assert_eq!(stream.stream.calls, calls);
            assert_eq!(stream.stream.taken, taken.as_bytes());
        }
        flush(&mut stream);
        assert_eq!(write(&mut stream, b"next"), Poll::Ready(4));
        assert_eq!(stream.stream.taken.len(), 12);
        flush(&mut stream);
        assert_eq!(stream.stream.taken, b"headbodymorenext");
        assert_eq!(stream.stream.flushed, 16);
    }

    #[test]
    fn a_long_head_does_not_wait() {
        let mut stream = Gathered::until_more(Below::default());
        let head = vec![7; HEAD_BYTES + 1];
        assert_eq!(write(&mut stream, &head), Poll::Ready(head.len()));
        assert_eq!(stream.stream.taken, head);
    }

    #[test]
    fn what_waits_when_a_connection_breaks_off_goes_out() {
        let taken = Arc::default();
        let mut stream = Gathered::until_more(Below {
            told: Some(Arc::clone(&taken)),
            ..Below::default()
        });
        assert_eq!(write(&mut stream, b"head"), Poll::Ready(4));
        drop(stream);
        assert_eq!(*taken.lock().unwrap(), b"head");
    }

    #[test]
    fn what_was_not_flushed_waits_also_when_read() {
        let mut stream = Gathered::until_read(Below::default());
        assert_eq!(write(&mut stream, b"half"), Poll::Ready(4));
        read(&mut stream);
        assert_eq!(stream.stream.calls, 0);
    }

    #[test]
    fn the_end_of_a_connection_brings_all_out() {
        let mut stream = Gathered::until_read(Below::default());
        assert_eq!(write(&mut stream, b"goaway"), Poll::Ready(6));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_shutdown(&mut cx).is_ready());
        assert_eq!(stream.stream.taken, b"goaway");
    }

    proptest! {
        #[test]
        fn bytes_arrive_in_order_however_they_are_taken(
            writes in prop::collection::vec(1_usize..12_000, 1..20),
            takes in prop::collection::vec(0_usize..9000, 0..8),
            reads in prop::collection::vec(any::<bool>(), 20),
            until in prop::sample::select(vec![Until::Read, Until::More]),
        ) {
            prop_assume!(takes.is_empty() || takes.iter().any(|take| *take > 0));
            let mut stream = Gathered::new(Below { takes, ..Below::default() }, until);
            let mut sent = Vec::new();
            for (length, then_read) in writes.iter().zip(reads) {
                let bytes: Vec<u8> = (sent.len()..sent.len() + length)
                    .map(|at| u8::try_from(at % 251).unwrap())
                    .collect();
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    if let Poll::Ready(taken) = write(&mut stream, rest) {
                        rest = &rest[taken..];
                    }
                }
                sent.extend(bytes);
                if then_read {
                    flush_all(&mut stream);
                    read(&mut stream);
                }
            }
            flush_all(&mut stream);
            while stream.state != State::Clean {
                read(&mut stream);
            }
            prop_assert_eq!(stream.stream.flushed, sent.len());
            prop_assert_eq!(&stream.stream.taken, &sent);
        }
    }
}
