//! The review of an order that a fraud screen doubts: it goes on, but is not
//! shipped before people have decided. Customers are not told.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use svc_kit::id::AccountId;

use crate::order::OrderId;

/// Where a review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewState {
    /// Nobody has decided.
    Pending,
    /// It may be shipped.
    Approved,
    /// It is cancelled.
    Rejected,
}

impl ReviewState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Approved, Self::Rejected];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for ReviewState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ReviewState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("state '{text}' is unknown"))
    }
}

/// What people decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may be shipped.
    Approve,
    /// It is called off.
    Reject,
}

impl Decision {
    fn state(self) -> ReviewState {
        match self {
            Self::Approve => ReviewState::Approved,
            Self::Reject => ReviewState::Rejected,
        }
    }
}

/// Who decided, when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The account of who decided.
    pub by: AccountId,
    /// When.
    pub at: DateTime<Utc>,
    /// Why, in their words.
    pub note: String,
}

/// The review of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Of which order.
    pub order_id: OrderId,
    /// Whose order it is.
    pub account_id: AccountId,
    /// Where it stands.
    pub state: ReviewState,
    /// Why the order is doubted, stable upper-snake: "AMOUNT_HIGH".
    pub reasons: Vec<String>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Known once somebody has decided.
    pub decided: Option<Decided>,
}

/// What became of a decision.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// From now on decided.
    Decided,
    /// It was, in this way.
    Already,
    /// It was, in the other way.
    Otherwise,
}

impl Review {
    /// Decides, once.
    pub fn decide(&mut self, decision: Decision, decided: Decided) -> Outcome {
        if self.state == ReviewState::Pending {
            self.state = decision.state();
            self.decided = Some(decided);
            Outcome::Decided
        } else if self.state == decision.state() {
            Outcome::Already
        } else {
            Outcome::Otherwise
        }
    }
}
