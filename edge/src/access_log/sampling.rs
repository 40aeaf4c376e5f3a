//! Which requests have a line in the log.

use std::{
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::route::Limit;

/// "hit=100": of requests that fit, one in so many; 0: none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    key: Key,
    one_in: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Cache(&'static str),
    Class(Limit),
    Status(u16),
    /// 4 is for all of 4xx.
    Statuses(u16),
}

/// What the cache can have to do with a request.
const OUTCOMES: [&str; 6] = ["hit", "stale", "miss", "revalidated", "collapsed", "bypass"];
const CLASSES: [(&str, Limit); 4] = [
    ("read", Limit::Read),
    ("write", Limit::Write),
    ("search", Limit::Search),
    ("auth", Limit::Auth),
];

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, one_in) = text
            .trim()
            .split_once('=')
            .ok_or_else(|| format!("\"{text}\" is not like \"hit=100\""))?;
        let one_in = one_in
            .parse()
            .map_err(|_| format!("\"{one_in}\" is not a number"))?;
        let key = key
            .parse()
            .map_err(|()| format!("\"{key}\" is no outcome, no class and no status"))?;
        Ok(Self { key, one_in })
    }
}

impl FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(outcome) = OUTCOMES.iter().find(|outcome| **outcome == text) {
            return Ok(Self::Cache(outcome));
        }
        if let Some((_, class)) = CLASSES.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Class(*class));
        }
        let hundreds = text.strip_suffix("xx");
        let number: u16 = hundreds.unwrap_or(text).parse().map_err(|_| ())?;
        match hundreds {
            Some(_) if (1..=5).contains(&number) => Ok(Self::Statuses(number)),
            None if (100..600).contains(&number) => Ok(Self::Status(number)),
            _ => Err(()),
        }
    }
}

/// What a rule asks about a request.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) cache: &'static str,
    pub(super) class: Option<Limit>,
    pub(super) status: u16,
}

impl Key {
    fn fits(&self, facts: &Facts) -> bool {
        match self {
            Self::Cache(outcome) => *outcome == facts.cache,
            Self::Class(class) => facts.class == Some(*class),
            Self::Status(status) => *status == facts.status,
            Self::Statuses(hundreds) => facts.status / 100 == *hundreds,
        }
    }
}

/// The rules, and how many requests fitted each.
#[derive(Debug)]
pub(super) struct Sampling(Vec<(Rule, AtomicU64)>);

impl Sampling {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let counted = |rule: &Rule| (rule.clone(), AtomicU64::new(0));
        Self(rules.iter().map(counted).collect())
    }

    /// For how many requests this one's line stands; `None`: it has none.
    pub(super) fn pick(&self, facts: &Facts) -> Option<u64> {
        let Some((rule, seen)) = self.0.iter().find(|(rule, _)| rule.key.fits(facts)) else {
            return Some(1);
        };
        let nth = seen.fetch_add(1, Relaxed);
        (nth.checked_rem(rule.one_in) == Some(0)).then_some(rule.one_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_says_how_many() {
        let rules = ["hit=3", "429=0", "4xx=2", "read=5"].map(|rule| rule.parse().unwrap());
        let sampling = Sampling::new(&rules);
        let picked = |cache, class, status| {
            let facts = Facts {
                cache,
                class,
                status,
            };
            (0..30)
                .filter_map(|_| sampling.pick(&facts))
                .collect::<Vec<_>>()
        };
        assert_eq!(picked("hit", Some(Limit::Read), 200), [3; 10]);
        assert_eq!(picked("none", Some(Limit::Read), 429), [0; 0]);
        assert_eq!(picked("none", Some(Limit::Read), 404), [2; 15]);
        assert_eq!(picked("miss", Some(Limit::Read), 200), [5; 6]);
        assert_eq!(
            picked("none", Some(Limit::Auth), 200),
            [1; 30],
            "no rule: all"
        );
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused() {
        for bad in ["hit", "hit=", "hit=x", "hot=2", "9xx=2", "42=1", "=1", ""] {
            assert!(bad.parse::<Rule>().is_err(), "{bad}");
        }
    }
}
