//! A kept answer: its message, framed once for gRPC and gRPC-web, and how long
//! it is good.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{
    epochs::{Epoch, Slot},
    millis,
};
use crate::frame;

/// What a unary answer of gRPC-web ends with.
const WEB_TRAILERS: &str = "grpc-status:0\r\n";
/// What an entry costs beside its bytes.
const OVERHEAD_BYTES: usize = 256;

/// How long an answer is good, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// It is fresh.
    pub ttl: Duration,
    /// After that it is served while a fresh one is fetched.
    pub stale_while_revalidate: Duration,
    /// After that it is served when the service fails.
    pub stale_if_error: Duration,
}

impl Lifetime {
    /// No part of it lasts longer than `limit`, but for the last.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        Self {
            ttl: self.ttl.min(limit),
            stale_while_revalidate: Duration::ZERO,
            ..self
        }
    }

    /// When there is no use for it any more.
    pub fn end(self) -> Duration {
        self.ttl + self.stale_while_revalidate.max(self.stale_if_error)
    }
}

/// What an entry is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Serving.
    Fresh,
    /// Serving while a fresh one is fetched.
    Stale,
    /// Serving when the service fails.
    Spare,
    /// Nothing.
    Dead,
}

/// A kept answer.
#[derive(Debug)]
pub struct Entry {
    /// The message's frame, then gRPC-web's trailer frame.
    body: Bytes,
    data_len: usize,
    pub(super) epoch: Epoch,
    pub(super) slots: Box<[Slot]>,
    pub(super) stored_ms: i64,
    fresh_until_ms: i64,
    lifetime: Lifetime,
    /// How often its question was answered from the cache.
    hits: AtomicU64,
}

impl Entry {
    /// Frames an answer.
    pub fn new(
        message: &[u8],
        lifetime: Lifetime,
        now_ms: i64,
        epoch: Epoch,
        slots: &[Slot],
    ) -> Self {
        let data = frame::data(message);
        let trailers = frame::trailers(WEB_TRAILERS);
        let mut body = BytesMut::with_capacity(data.len() + trailers.len());
        body.put_slice(&data);
        body.put_slice(&trailers);
        Self {
            body: body.freeze(),
            data_len: data.len(),
            epoch,
            slots: slots.into(),
            stored_ms: now_ms,
            fresh_until_ms: now_ms.saturating_add(millis(lifetime.ttl)),
            lifetime,
            hits: AtomicU64::new(0),
        }
    }

    /// Goes on counting where its forerunner was.
    #[must_use]
    pub(super) fn after(self, earlier: &Self) -> Self {
        self.hits.store(earlier.hits(), Relaxed);
        self
    }

    /// It was served.
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Relaxed);
    }

    /// How often its question was answered from the cache.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// The body of an answer in gRPC; trailers follow it.
    pub fn grpc(&self) -> Bytes {
        self.body.slice(..self.data_len)
    }

    /// The body of an answer in gRPC-web.
    pub fn grpc_web(&self) -> Bytes {
        self.body.clone()
    }

    /// When there is no use for it any more.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// What it is good for. A soft purge may have ended its freshness.
    pub fn age(&self, now_ms: i64, softened_ms: Option<i64>) -> Age {
        let over = now_ms.saturating_sub(self.fresh_until_ms(softened_ms));
        if over < 0 {
            Age::Fresh
        } else if over < millis(self.lifetime.stale_while_revalidate) {
            Age::Stale
        } else if over < millis(self.lifetime.stale_if_error) {
            Age::Spare
        } else {
            Age::Dead
        }
    }

    /// When its freshness ends.
    pub fn fresh_until_ms(&self, softened_ms: Option<i64>) -> i64 {
        softened_ms.map_or(self.fresh_until_ms, |at| at.min(self.fresh_until_ms))
    }

    /// Its bytes in memory, roughly, without its key's.
    pub fn weight(&self) -> usize {
        self.body.len() + self.slots.len() * size_of::<Slot>() + OVERHEAD_BYTES
    }
}
