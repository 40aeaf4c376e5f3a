//! What a provider has on record, as it is compared with ours.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use svc_kit::money::Money;
use uuid::Uuid;

/// The most records of a page. A provider may give fewer.
pub const RECORDS_PER_PAGE: usize = 500;

/// Where a list goes on: the provider's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// At most [`RECORDS_PER_PAGE`].
    pub records: Vec<Record>,
    /// Where the next page begins; none on the last.
    pub next: Option<Cursor>,
}

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Money that was taken.
    Charge,
    /// Money that was given back.
    Refund,
}

impl RecordKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Charge, Self::Refund];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RecordKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("record '{text}' is unknown"))
    }
}

/// What a provider says has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordState {
    /// The money moved.
    Succeeded,
    /// It did not, and will not.
    Failed,
    /// It may yet.
    Pending,
}

impl RecordState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Pending];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Pending => "pending",
        }
    }
}

impl fmt::Display for RecordState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RecordState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("state '{text}' is unknown"))
    }
}

/// One charge or refund as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which of both.
    pub kind: RecordKind,
    /// Our payment or refund, as the provider's record names it.
    pub id: Option<Uuid>,
    /// The provider's own id.
    pub reference: String,
    /// How much.
    pub amount: Money,
    /// What has become of it.
    pub state: RecordState,
    /// When the provider made it.
    pub time: DateTime<Utc>,
}

/// The provider does not answer, and why; no secret.
#[derive(Debug, thiserror::Error)]
#[error("the provider lists nothing: {0}")]
pub struct ProviderAway(pub String);
