//! How old an answer is, and how long it is fresh.
//! <https://www.rfc-editor.org/rfc/rfc9111#section-4.2>

use http::{
    HeaderMap, StatusCode,
    header::{AGE, DATE, EXPIRES, LAST_MODIFIED},
};

use super::{
    date,
    directives::{Allowed, MAX_SECONDS, Wanted, seconds},
    status::is_heuristic,
};

/// When nothing says how long an answer is fresh, it is for this part of the
/// time for which it had not changed...
const HEURISTIC_PART: i64 = 10;
/// ...but not longer than this.
const HEURISTIC_MAX_MS: i64 = 60 * 60 * 1000;

/// When the origin was asked, and when it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The request was sent.
    pub asked_ms: i64,
    /// The answer's headers came.
    pub answered_ms: i64,
}

/// How long an answer is good. All times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// When it came.
    answered_ms: i64,
    /// How old it was then.
    initial_age_ms: i64,
    /// How old it may become.
    lifetime_ms: i64,
    stale_while_revalidate_ms: i64,
    stale_if_error_ms: i64,
    /// Not even when fresh, before the origin was asked.
    no_cache: bool,
    /// Never stale.
    no_stale: bool,
}

/// What may be done with a kept answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Serve it.
    Serve,
    /// Serve it, and fetch a fresh one behind the caller's back.
    WhileRevalidating,
    /// Ask the origin first.
    Validate,
}

impl Freshness {
    /// Reads an answer's headers.
    pub fn of(
        status: StatusCode,
        headers: &HeaderMap,
        allowed: &Allowed,
        exchange: Exchange,
    ) -> Self {
        let Exchange {
            asked_ms,
            answered_ms,
        } = exchange;
        let date_ms = headers
            .get(DATE)
            .and_then(date::parse)
            .unwrap_or(answered_ms);
        let apparent_age_ms = (answered_ms - date_ms).max(0);
        let delay_ms = (answered_ms - asked_ms).max(0);
        let corrected_age_ms = told_age_ms(headers).saturating_add(delay_ms);
        Self {
            answered_ms,
            initial_age_ms: apparent_age_ms.max(corrected_age_ms),
            lifetime_ms: lifetime_ms(status, headers, allowed, date_ms),
            stale_while_revalidate_ms: millis(allowed.stale_while_revalidate.unwrap_or(0)),
            stale_if_error_ms: millis(allowed.stale_if_error.unwrap_or(0)),
            no_cache: allowed.no_cache,
            no_stale: allowed.forbids_stale(),
        }
    }

    /// Fresh for no longer than this from when it came, and then to be
    /// fetched before it is used.
    #[must_use]
    pub fn at_most(self, ttl_ms: i64) -> Self {
        Self {
            lifetime_ms: self
                .lifetime_ms
                .min(self.initial_age_ms.saturating_add(ttl_ms)),
            stale_while_revalidate_ms: 0,
            ..self
        }
    }

    /// Fresh no longer than up to a point in time.
    #[must_use]
    pub fn stale_from(self, at_ms: i64) -> Self {
        Self {
            lifetime_ms: self.lifetime_ms.min(self.age_ms(at_ms)),
            ..self
        }
    }

    /// How old it is.
    pub fn age_ms(&self, now_ms: i64) -> i64 {
        let resident_ms = (now_ms - self.answered_ms).max(0);
        self.initial_age_ms.saturating_add(resident_ms)
    }

    /// How long it stays fresh; negative once it is not.
    pub fn left_ms(&self, now_ms: i64) -> i64 {
        self.lifetime_ms - self.age_ms(now_ms)
    }

    /// The same in whole seconds, as people are told.
    pub fn left_seconds(&self, now_ms: i64) -> i64 {
        self.left_ms(now_ms).div_euclid(1000)
    }

    /// Whether it is ever fresh.
    pub fn begins_fresh(&self) -> bool {
        !self.no_cache && self.lifetime_ms > self.initial_age_ms
    }

    /// Whether it is ever used before the origin was asked about it.
    pub fn is_ever_used(&self) -> bool {
        !self.no_cache && self.end_ms() > 0
    }

    /// How long there is a use for it after it came; without an origin that
    /// can be asked about it.
    pub fn end_ms(&self) -> i64 {
        let stale_ms = self.stale_while_revalidate_ms.max(self.stale_if_error_ms);
        (self.lifetime_ms - self.initial_age_ms)
            .max(0)
            .saturating_add(stale_ms)
    }

    /// What may be done with it for such a request.
    pub fn judge(&self, wanted: &Wanted, now_ms: i64) -> Use {
        let age_ms = self.age_ms(now_ms);
        let left_ms = self.left_ms(now_ms);
        let too_old = wanted.max_age.is_some_and(|limit| age_ms > millis(limit));
        if self.no_cache || wanted.no_cache || too_old {
            return Use::Validate;
        }
        if left_ms > 0 {
            let lasts = wanted.min_fresh.is_none_or(|wish| left_ms >= millis(wish));
            return if lasts { Use::Serve } else { Use::Validate };
        }
        if self.no_stale || wanted.min_fresh.is_some() {
            return Use::Validate;
        }
        let stale_ms = -left_ms;
        if wanted
            .max_stale
            .is_some_and(|wish| stale_ms <= millis(wish))
        {
            Use::Serve
        } else if stale_ms < self.stale_while_revalidate_ms && wanted.max_age.is_none() {
            Use::WhileRevalidating
        } else {
            Use::Validate
        }
    }

    /// Whether it may be served because the origin failed.
    pub fn covers_failure(&self, wanted: &Wanted, now_ms: i64) -> bool {
        if self.no_cache || wanted.no_cache {
            return false;
        }
        let left_ms = self.left_ms(now_ms);
        let wish_ms = millis(wanted.stale_if_error.unwrap_or(0));
        left_ms > 0 || !self.no_stale && -left_ms < self.stale_if_error_ms.max(wish_ms)
    }
}

/// Whether an answer says itself how long it is fresh.
pub fn is_explicit(headers: &HeaderMap, allowed: &Allowed) -> bool {
    allowed.s_maxage.is_some()
        || allowed.max_age.is_some()
        || (!allowed.targeted && headers.contains_key(EXPIRES))
}

fn lifetime_ms(status: StatusCode, headers: &HeaderMap, allowed: &Allowed, date_ms: i64) -> i64 {
    if let Some(seconds) = allowed.s_maxage.or(allowed.max_age) {
        return millis(seconds);
    }
    if is_explicit(headers, allowed) {
        return expires_ms(headers).map_or(0, |expires| expires - date_ms);
    }
    if !is_heuristic(status) && !allowed.public {
        return 0;
    }
    headers
        .get(LAST_MODIFIED)
        .and_then(date::parse)
        .map_or(0, |modified| {
            ((date_ms - modified).max(0) / HEURISTIC_PART).min(HEURISTIC_MAX_MS)
        })
}

/// One date, or several that are the same; anything else has passed.
fn expires_ms(headers: &HeaderMap) -> Option<i64> {
    let mut dates = headers.get_all(EXPIRES).iter().map(date::parse);
    let first = dates.next()??;
    dates.all(|date| date == Some(first)).then_some(first)
}

/// What `Age` says: its first member. What is no number counts for nothing
/// (section 5.1).
fn told_age_ms(headers: &HeaderMap) -> i64 {
    headers
        .get(AGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(',').next())
        .and_then(|first| seconds(first.trim()))
        .map_or(0, millis)
}

fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds.min(MAX_SECONDS) * 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn fresh(lines: &[(&'static str, String)]) -> Freshness {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let exchange = Exchange {
            asked_ms: NOW - 2000,
            answered_ms: NOW,
        };
        Freshness::of(StatusCode::OK, &headers, &Allowed::of(&headers), exchange)
    }

    fn control(value: &str) -> (&'static str, String) {
        ("cache-control", value.to_owned())
    }

    #[test]
    fn s_maxage_beats_max_age_beats_expires() {
        let expires = ("expires", date::format(NOW + 300_000));
        let date = ("date", date::format(NOW));
        let read = |control_value: &str| {
            fresh(&[control(control_value), expires.clone(), date.clone()]).lifetime_ms
        };
        assert_eq!(read("max-age=60, s-maxage=30"), 30_000);
        assert_eq!(read("max-age=60"), 60_000);
        assert_eq!(read("public"), 300_000);
        assert_eq!(fresh(&[("expires", "0".to_owned())]).lifetime_ms, 0);
        let two = [expires.clone(), ("expires", date::format(NOW))];
        assert_eq!(fresh(&two).lifetime_ms, 0, "two that differ");
    }

    #[test]
    fn an_answer_is_as_old_as_it_says_or_looks_and_the_way_counts() {
        assert_eq!(fresh(&[]).age_ms(NOW), 2000, "the way");
        assert_eq!(fresh(&[("age", "10".to_owned())]).age_ms(NOW), 12_000);
        let dated = ("date", date::format(NOW - 60_000));
        assert_eq!(fresh(&[dated]).age_ms(NOW + 5000), 65_000);
        assert_eq!(fresh(&[("age", "7, 100".to_owned())]).age_ms(NOW), 9000);
        assert_eq!(fresh(&[("age", "x".to_owned())]).age_ms(NOW), 2000);
    }

    #[test]
    fn what_says_nothing_is_fresh_for_a_tenth_of_its_rest_and_an_hour_at_most() {
        let modified = |ago_ms: i64| {
            fresh(&[
                ("date", date::format(NOW)),
                ("last-modified", date::format(NOW - ago_ms)),
            ])
            .lifetime_ms
        };
        assert_eq!(modified(600_000), 60_000);
        assert_eq!(modified(365 * 24 * 3_600_000), HEURISTIC_MAX_MS);
        assert_eq!(modified(-5000), 0);
        assert_eq!(fresh(&[]).lifetime_ms, 0);
    }

    #[test]
    fn stale_is_served_only_as_far_as_both_sides_allow() {
        let entry = fresh(&[control("max-age=12, stale-while-revalidate=30")]);
        let none = Wanted::default();
        let at = |seconds: i64| NOW + seconds * 1000;
        assert_eq!(entry.judge(&none, at(9)), Use::Serve);
        assert_eq!(entry.judge(&none, at(10)), Use::WhileRevalidating);
        assert_eq!(entry.judge(&none, at(40)), Use::Validate);
        let picky = Wanted {
            max_age: Some(5),
            ..none
        };
        assert_eq!(entry.judge(&picky, at(3)), Use::Serve);
        assert_eq!(entry.judge(&picky, at(4)), Use::Validate);
        let easy = Wanted {
            max_stale: Some(100),
            ..none
        };
        assert_eq!(entry.judge(&easy, at(100)), Use::Serve);
        let lasting = Wanted {
            min_fresh: Some(5),
            ..none
        };
        assert_eq!(entry.judge(&lasting, at(5)), Use::Serve);
        assert_eq!(entry.judge(&lasting, at(6)), Use::Validate);
        for strict in ["must-revalidate", "proxy-revalidate", "s-maxage=12"] {
            let strict = fresh(&[control(&format!(
                "max-age=12, stale-while-revalidate=30, stale-if-error=30, {strict}"
            ))]);
            assert_eq!(strict.judge(&easy, at(11)), Use::Validate);
            assert_eq!(strict.judge(&none, at(11)), Use::Validate);
            assert!(!strict.covers_failure(&none, at(11)));
        }
    }

    #[test]
    fn a_failure_is_covered_for_as_long_as_was_allowed() {
        let entry = fresh(&[control("max-age=12, stale-if-error=30")]);
        let none = Wanted::default();
        assert!(entry.covers_failure(&none, NOW + 39_000));
        assert!(!entry.covers_failure(&none, NOW + 40_000));
        let wish = Wanted {
            stale_if_error: Some(100),
            ..none
        };
        assert!(entry.covers_failure(&wish, NOW + 100_000));
    }
}
