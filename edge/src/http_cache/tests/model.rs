//! What is said, and what the standard and the purges make of it. It shares no
//! code with the cache.

/// What `Cache-Control` or the targeted field says. Times are seconds.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive")]
pub(super) struct Control {
    pub(super) no_store: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    pub(super) no_cache: bool,
    pub(super) must_revalidate: bool,
    pub(super) proxy_revalidate: bool,
    pub(super) must_understand: bool,
    pub(super) max_age: Option<i64>,
    pub(super) s_maxage: Option<i64>,
    pub(super) while_revalidate: Option<i64>,
    pub(super) if_error: Option<i64>,
}

/// What an origin says with an answer. Times are seconds.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) control: Control,
    /// The targeted field; whether it is well-formed.
    pub(super) targeted: Option<(Control, bool)>,
    /// After the answer's date.
    pub(super) expires: Option<i64>,
    /// Before the answer's date.
    pub(super) modified: Option<i64>,
    /// Before the answer came.
    pub(super) dated: Option<i64>,
    pub(super) age: Option<i64>,
    pub(super) varies: bool,
    pub(super) cookie: bool,
    pub(super) tag: Option<usize>,
    pub(super) etag: bool,
}

/// What a caller says.
#[derive(Debug, Clone, Default)]
pub(super) struct Says {
    pub(super) url: usize,
    pub(super) language: Option<&'static str>,
    pub(super) authorized: bool,
    pub(super) no_cache: bool,
    pub(super) max_age: Option<i64>,
    pub(super) min_fresh: Option<i64>,
    pub(super) max_stale: Option<i64>,
    pub(super) if_error: Option<i64>,
}

/// A confirmation of an answer by the origin: the model's memory.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) url: usize,
    pub(super) says: Says,
    pub(super) said: Said,
    /// The absolute dates that were said.
    pub(super) date_ms: i64,
    pub(super) expires_ms: Option<i64>,
    pub(super) modified_ms: Option<i64>,
    pub(super) asked_ms: i64,
    pub(super) answered_ms: i64,
    /// The number of the event at which it was asked for.
    pub(super) asked_at: usize,
    /// Something of it had been purged a moment before it came.
    pub(super) settling: bool,
}

/// What a purge takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Url(usize),
    Tag(usize),
    All,
}

/// A purge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purge {
    pub(super) taken: Taken,
    pub(super) soft: bool,
    /// The number of the event.
    pub(super) event: usize,
    pub(super) at_ms: i64,
}

/// How something was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Hit,
    /// Somebody fetches a fresh one meanwhile.
    WhileRevalidating,
    /// The origin failed.
    IfError,
    /// It was fetched for somebody else who asked at the same time.
    Joined,
}

impl Said {
    /// What counts: the targeted field replaces the other, if it can be read.
    fn counts(&self) -> (&Control, bool) {
        match &self.targeted {
            Some((control, true)) => (control, true),
            _ => (&self.control, false),
        }
    }
}

impl Fact {
    pub(super) fn is_taken(&self, taken: Taken) -> bool {
        match taken {
            Taken::Url(url) => url == self.url,
            Taken::Tag(tag) => self.said.tag == Some(tag),
            Taken::All => true,
        }
    }

    /// Whether it is an answer to such a request.
    pub(super) fn answers(&self, says: &Says) -> bool {
        self.url == says.url && (!self.said.varies || self.says.language == says.language)
    }

    fn is_explicit(&self) -> bool {
        let (control, targeted) = self.said.counts();
        control.s_maxage.is_some()
            || control.max_age.is_some()
            || (self.expires_ms.is_some() && !targeted)
    }

    fn is_heuristic(&self) -> bool {
        self.said.counts().0.public || matches!(self.said.status, 200 | 404)
    }

    /// Whether it may be kept at all.
    pub(super) fn may_be_kept(&self) -> Result<(), &'static str> {
        let (control, _) = self.said.counts();
        must(self.said.status != 206, "a part")?;
        if control.must_understand {
            must(self.said.status != 299, "not understood")?;
        } else {
            must(!control.no_store, "no-store")?;
        }
        must(!control.private, "private")?;
        must(!self.said.cookie || control.public, "somebody's cookie")?;
        let for_all = control.public || control.s_maxage.is_some() || control.must_revalidate;
        must(!self.says.authorized || for_all, "somebody's own")?;
        must(self.is_explicit() || self.is_heuristic(), "silent")
    }

    /// How old it was when it came.
    fn initial_age_ms(&self) -> i64 {
        let looks = (self.answered_ms - self.date_ms).max(0);
        let told = self.said.age.unwrap_or(0) * 1000 + self.answered_ms - self.asked_ms;
        looks.max(told)
    }

    fn age_ms(&self, now_ms: i64) -> i64 {
        self.initial_age_ms() + (now_ms - self.answered_ms).max(0)
    }

    fn lifetime_ms(&self, purges: &[Purge]) -> i64 {
        let (control, targeted) = self.said.counts();
        let mut lifetime = if let Some(seconds) = control.s_maxage.or(control.max_age) {
            seconds * 1000
        } else if let (Some(expires), false) = (self.expires_ms, targeted) {
            expires - self.date_ms
        } else if let (Some(modified), true) = (self.modified_ms, self.is_heuristic()) {
            ((self.date_ms - modified) / 10).min(3_600_000)
        } else {
            0
        };
        if self.settling {
            lifetime = lifetime.min(self.initial_age_ms() + 500);
        }
        // Of each tag, the last one counts.
        for taken in [Some(Taken::Url(self.url)), self.said.tag.map(Taken::Tag)] {
            let last = purges.iter().rev().find(|purge| {
                purge.soft && Some(purge.taken) == taken && purge.event > self.asked_at
            });
            if let Some(purge) = last {
                lifetime = lifetime.min(self.age_ms(purge.at_ms));
            }
        }
        lifetime
    }

    /// Whether it may be served.
    pub(super) fn may_be_served(
        &self,
        says: &Says,
        how: How,
        purges: &[Purge],
        (now_ms, deaf): (i64, bool),
    ) -> Result<(), &'static str> {
        let (control, _) = self.said.counts();
        must(self.url == says.url, "another page")?;
        must(self.answers(says), "another language")?;
        self.may_be_kept()?;
        let void = purges
            .iter()
            .any(|purge| !purge.soft && purge.event > self.asked_at && self.is_taken(purge.taken));
        must(!void, "purged")?;
        must(!control.no_cache && !says.no_cache, "no-cache")?;
        if deaf && matches!(how, How::Hit | How::WhileRevalidating) {
            must(now_ms - self.answered_ms <= 5000, "a purge may be missed")?;
        }

        let age = self.age_ms(now_ms);
        let stale = age - self.lifetime_ms(purges);
        if how != How::IfError {
            must(
                says.max_age.is_none_or(|limit| age <= limit * 1000),
                "older than asked for",
            )?;
            must(
                says.min_fresh.is_none_or(|wish| -stale >= wish * 1000),
                "min-fresh",
            )?;
        }
        if stale < 0 {
            return Ok(());
        }
        let strict =
            control.must_revalidate || control.proxy_revalidate || control.s_maxage.is_some();
        must(!strict, "stale though it must not be")?;
        let within = |seconds: Option<i64>| seconds.is_some_and(|s| stale <= s * 1000);
        let asked_for = within(says.max_stale);
        // Who limits the age wants nothing stale, unless that is said, too.
        let meanwhile =
            within(control.while_revalidate) && !self.settling && says.max_age.is_none();
        let excused = match how {
            How::Hit => asked_for,
            How::WhileRevalidating => meanwhile,
            How::Joined => asked_for || meanwhile,
            How::IfError => within(control.if_error) || within(says.if_error),
        };
        must(excused, "stale")
    }
}

fn must(holds: bool, why: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(why) }
}
