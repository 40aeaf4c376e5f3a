//! A moment as people name it: a time, or how long ago.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use svc_kit::clock::Clock;

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// "2026-11-24T09:30:00Z".
    At(DateTime<Utc>),
    /// "90s", "15m", "2h", "3d": so long ago.
    Ago(TimeDelta),
}

impl Moment {
    /// When that is.
    pub fn time(self, clock: &Clock) -> DateTime<Utc> {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => clock
                .now()
                .checked_sub_signed(span)
                .unwrap_or(DateTime::<Utc>::MIN_UTC),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(time.to_utc()));
        }
        let wrong =
            || format!("{text:?} is neither a time (2026-11-24T09:30:00Z) nor a span (15m)");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let count: i64 = text
            .strip_suffix(unit)
            .and_then(|count| count.parse().ok())
            .filter(|count| *count >= 0)
            .ok_or_else(wrong)?;
        let span = match unit {
            's' => TimeDelta::try_seconds(count),
            'm' => TimeDelta::try_minutes(count),
            'h' => TimeDelta::try_hours(count),
            'd' => TimeDelta::try_days(count),
            _ => None,
        };
        span.map(Self::Ago).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_are_understood() {
        let clock = Clock::manual(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let seconds = |text: &str| text.parse::<Moment>().unwrap().time(&clock).timestamp();
        assert_eq!(seconds("2023-11-14T22:13:20Z"), 1_700_000_000);
        assert_eq!(seconds("15m"), 1_700_000_000 - 900);
        assert_eq!(seconds("2d"), 1_700_000_000 - 172_800);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "soon",
            "5",
            "-5m",
            "5y",
            "m",
            "99999999999999999d",
            "5é",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
