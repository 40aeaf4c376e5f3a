//! All answers that are kept of one URL: one for each kind of request.

use std::time::Duration;

use http::HeaderMap;

use super::{entry::Entry, vary::Variant};

/// Answers of one URL that are kept.
const MAX_VARIANTS: usize = 32;
/// How long an answer is kept that only the origin can say good of: it saves
/// sending the body again.
const VALIDATABLE: Duration = Duration::from_hours(24);

/// The answers of one URL, the one that was asked for last first.
#[derive(Debug, Clone, Default)]
pub struct Page(Vec<Entry>);

impl Page {
    /// The answer to a request: of several, the newest.
    pub fn find(&self, request: &HeaderMap) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.head.vary.matches(request))
    }

    /// What the newest answer varies with, in a request.
    pub fn variant(&self, request: &HeaderMap) -> Variant {
        self.0
            .first()
            .map(|entry| entry.head.vary.variant(request))
            .unwrap_or_default()
    }

    /// With one more answer, without those to the same request; and without the
    /// oldest as long as all do not fit. What was purged goes, too. `None` when
    /// an answer to the same request is there that was asked for later.
    pub fn with(
        &self,
        entry: Entry,
        request: &HeaderMap,
        is_valid: impl Fn(&Entry) -> bool,
        max_bytes: usize,
    ) -> Option<Self> {
        let mut entries: Vec<Entry> = self.0.iter().filter(|old| is_valid(old)).cloned().collect();
        let newer = entries.iter().any(|old| {
            old.head.vary.matches(request)
                && old.head.exchange.asked_ms > entry.head.exchange.asked_ms
        });
        if newer {
            return None;
        }
        entries.retain(|old| !old.head.vary.matches(request));
        let asked_ms = entry.head.exchange.asked_ms;
        let older = |old: &Entry| old.head.exchange.asked_ms <= asked_ms;
        entries.insert(
            entries.iter().position(older).unwrap_or(entries.len()),
            entry,
        );
        entries.truncate(MAX_VARIANTS);
        while entries.len() > 1 && weight(&entries) > max_bytes {
            entries.pop();
        }
        Some(Self(entries))
    }

    /// Without the answers to this request; `None` when none is left.
    pub fn without(&self, request: &HeaderMap) -> Option<Self> {
        let mut entries = self.0.clone();
        entries.retain(|entry| !entry.head.vary.matches(request));
        (!entries.is_empty()).then_some(Self(entries))
    }

    /// Its bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        weight(&self.0)
    }

    /// How long there is a use for it, from the time it was kept.
    pub fn end(&self) -> Duration {
        self.0.iter().map(end).max().unwrap_or_default()
    }
}

fn weight(entries: &[Entry]) -> usize {
    entries.iter().map(Entry::weight).sum()
}

fn end(entry: &Entry) -> Duration {
    let end = u64::try_from(entry.head.freshness.end_ms()).unwrap_or(0);
    let validatable = if entry.head.validators.is_empty() {
        Duration::ZERO
    } else {
        VALIDATABLE
    };
    Duration::from_millis(end) + validatable
}
