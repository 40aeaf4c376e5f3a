//! The webhook event: what a provider tells us without having been asked. It is
//! believed in one thing only, about what it is. No async, no clock, no SQL.

use std::str::FromStr;

use crate::{payment::PaymentId, provider::ProviderName, refund::RefundId};

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is kept, and nobody has looked into it to the end.
    Received,
    /// What it is about was asked of the provider.
    Processed,
    /// It is about nothing that concerns us.
    Ignored,
    /// It is about a payment or refund that we do not have.
    Unmatched,
    /// It was signed, and is no event.
    Unreadable,
    /// A customer disputes a charge. Staff deal with that at the provider.
    Disputed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Received,
        Self::Processed,
        Self::Ignored,
        Self::Unmatched,
        Self::Unreadable,
        Self::Disputed,
    ];

    /// As it is stored and measured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Processed => "processed",
            Self::Ignored => "ignored",
            Self::Unmatched => "unmatched",
            Self::Unreadable => "unreadable",
            Self::Disputed => "disputed",
        }
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("state '{text}' is unknown"))
    }
}

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who tells it.
    pub provider: ProviderName,
    /// Its id there: the same one twice is one event.
    pub event_id: String,
    /// What happened, in the provider's words; none if it cannot be read.
    pub kind: Option<String>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A charge of ours, and the provider's id for it.
    Payment(PaymentId, String),
    /// A refund of ours.
    Refund(RefundId),
    /// A dispute over a charge, by the provider's id of that if it says so.
    Dispute(Option<String>),
    /// A charge or refund that does not name one of ours.
    Nobody,
    /// Something else.
    Nothing,
}
