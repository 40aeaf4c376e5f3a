//! What a check has found.

use std::fmt;

use serde::Serialize;

/// Offences that are printed for one check, at most; the JSON has them all.
const PRINTED: usize = 10;

/// What a check has found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The check's name.
    pub check: &'static str,
    /// What it says.
    pub claim: &'static str,
    /// At how many orders, rows or events it looked.
    pub looked_at: u64,
    /// What is not as it should be, each with its ids; none: the claim holds.
    pub offences: Vec<String>,
}

impl Finding {
    /// Nothing yet.
    pub fn new(check: &'static str, claim: &'static str) -> Self {
        Self {
            check,
            claim,
            looked_at: 0,
            offences: Vec::new(),
        }
    }

    /// The claim holds.
    pub fn holds(&self) -> bool {
        self.offences.is_empty()
    }

    /// It looked at so many more.
    pub fn looked_at(&mut self, count: usize) {
        self.looked_at += count as u64;
    }

    /// This is not as it should be.
    pub fn offence(&mut self, what: impl Into<String>) {
        self.offences.push(what.into());
    }

    /// This is not as it should be, unless it is.
    pub fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.offences.push(what());
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.holds() { '✓' } else { '✗' };
        write!(
            f,
            "{mark} {:16} {} ({})",
            self.check, self.claim, self.looked_at
        )?;
        for offence in self.offences.iter().take(PRINTED) {
            write!(f, "\n    {offence}")?;
        }
        if self.offences.len() > PRINTED {
            write!(f, "\n    and {} more", self.offences.len() - PRINTED)?;
        }
        Ok(())
    }
}
