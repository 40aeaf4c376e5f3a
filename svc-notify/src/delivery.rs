//! The delivery: one message to one person, and what became of it. No async, no
//! clock, no SQL.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use svc_kit::id::AccountId;
use uuid::Uuid;

svc_kit::id!(
    /// A delivery; also the Message-ID of its mail.
    pub struct DeliveryId
);

/// How often a delivery is tried before it is given up: with the pauses between
/// them, for about three days.
pub const MAX_ATTEMPTS: u32 = 100;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Template {
    /// The account is ready.
    Welcome,
    /// The order is reserved and paid.
    OrderConfirmed,
    /// The order was called off.
    OrderCancelled,
    /// The order is on its way.
    OrderShipped,
    /// Some of the order came back.
    OrderReturned,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Welcome,
        Self::OrderConfirmed,
        Self::OrderCancelled,
        Self::OrderShipped,
        Self::OrderReturned,
    ];

    /// As it is stored and answered, and the name of its files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::OrderConfirmed => "order_confirmed",
            Self::OrderCancelled => "order_cancelled",
            Self::OrderShipped => "order_shipped",
            Self::OrderReturned => "order_returned",
        }
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|template| template.as_str() == text)
            .ok_or_else(|| format!("template '{text}' is unknown"))
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// To be sent, or to be tried again.
    Queued,
    /// The mail server has it.
    Sent,
    /// Refused, or given up after the last attempt.
    Failed,
}

impl Status {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Queued, Self::Sent, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("status '{text}' is unknown"))
    }
}

/// One message to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its own id.
    pub id: DeliveryId,
    /// To whom.
    pub account_id: AccountId,
    /// What it says.
    pub template: Template,
    /// The order that it is about.
    pub order_id: Option<Uuid>,
    /// Its subject line.
    pub subject: String,
    /// Where it stands.
    pub status: Status,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed: a code, no personal data.
    pub last_error: Option<String>,
    /// When it was queued.
    pub create_time: DateTime<Utc>,
    /// When the mail server took it.
    pub sent_time: Option<DateTime<Utc>>,
}

/// Why a message did not leave: a code each, no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It never will: "SMTP_550".
    #[error("rejected: {0}")]
    Rejected(String),
    /// It may later: "CONNECTION".
    #[error("not now: {0}")]
    Later(String),
}

impl SendError {
    /// The code.
    pub fn code(&self) -> &str {
        match self {
            Self::Rejected(code) | Self::Later(code) => code,
        }
    }

    /// Whether a delivery that failed so at its latest attempt is given up.
    pub fn is_final(&self, attempts: u32) -> bool {
        match self {
            Self::Rejected(_) => true,
            Self::Later(_) => attempts >= MAX_ATTEMPTS,
        }
    }
}
