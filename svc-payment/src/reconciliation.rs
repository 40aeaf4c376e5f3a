//! The comparison of our records with a provider's: what agrees, and what does
//! not. No async, no clock, no SQL.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use svc_kit::{id::AccountId, money::Money};
use uuid::Uuid;

use crate::{
    payment::{self, OrderId},
    provider::{ProviderName, Record, RecordKind, RecordState},
    reason::Reason,
    refund,
};

/// So long before and after a day the provider's records are read as well: what
/// we asked for shortly before midnight was perhaps done after it. What lies
/// further apart is not the same.
pub const MARGIN: Duration = Duration::from_hours(1);

/// What is younger may be in flight between the provider and us, and is not
/// compared yet.
pub const SETTLED_AGE: Duration = Duration::from_hours(1);

/// So long after its end a day is compared by itself.
pub const READY_AFTER: Duration = Duration::from_hours(2);

/// Days that nobody compared at their time are made up for, so many at most.
pub const CATCH_UP_DAYS: u64 = 7;

svc_kit::id!(
    /// Something that does not agree.
    pub struct DiscrepancyId
);

/// How two records do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The provider has what we do not have, or not once more.
    MissingHere,
    /// The provider does not have what we have.
    MissingThere,
    /// Both have it, over another amount.
    AmountDiffers,
    /// Both have it, and do not agree on what has become of it.
    StateDiffers,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::MissingHere,
        Self::MissingThere,
        Self::AmountDiffers,
        Self::StateDiffers,
    ];

    /// As it is stored and measured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingHere => "missing_here",
            Self::MissingThere => "missing_there",
            Self::AmountDiffers => "amount_differs",
            Self::StateDiffers => "state_differs",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("kind '{text}' is unknown"))
    }
}

/// Where a discrepancy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Somebody has to look at it.
    Open,
    /// Staff have dealt with it.
    Resolved,
    /// A later comparison did not find it any more.
    Vanished,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Resolved, Self::Vanished];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Vanished => "vanished",
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

/// What we believe of a payment or refund, as far as the provider can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// The money moved.
    Moved,
    /// It did not, and will not.
    Stayed,
    /// It is not known yet.
    Open,
}

/// Where one of ours stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A payment.
    Charge(payment::Status),
    /// A refund.
    Refund(refund::Status),
}

impl Standing {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge(status) => status.as_str(),
            Self::Refund(status) => status.as_str(),
        }
    }

    fn belief(self) -> Belief {
        use payment::Status as Charge;
        use refund::Status as Refund;
        match self {
            Self::Charge(Charge::Captured | Charge::PartiallyRefunded | Charge::Refunded)
            | Self::Refund(Refund::Refunded) => Belief::Moved,
            Self::Charge(Charge::Failed | Charge::Cancelled) | Self::Refund(Refund::Refused) => {
                Belief::Stayed
            }
            Self::Charge(Charge::Requested) | Self::Refund(Refund::Requested) => Belief::Open,
        }
    }
}

/// A payment or refund of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// Its id.
    pub id: Uuid,
    /// Of which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub standing: Standing,
    /// When the provider was last asked to move the money.
    pub time: DateTime<Utc>,
}

/// Something that does not agree, as a comparison finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How.
    pub kind: Kind,
    /// What it is about.
    pub object: RecordKind,
    /// The day that it belongs to: ours if we have it, otherwise theirs. That of
    /// a reversal is when we learned of it: nobody looks at the old one again.
    pub date: NaiveDate,
    /// Our payment or refund, or what the provider takes for one.
    pub object_id: Option<Uuid>,
    /// Of which order, if we have it.
    pub order_id: Option<OrderId>,
    /// The provider's id, if it has it.
    pub reference: Option<String>,
    /// How much by our records, and where it stands there.
    pub ours: Option<(Money, String)>,
    /// How much by theirs, and where it stands there.
    pub theirs: Option<(Money, RecordState)>,
}

impl Finding {
    /// Of a refund that we took for made, the provider says now that it failed.
    pub fn of_reversal(refund: &refund::Refund, now: DateTime<Utc>) -> Self {
        Self {
            kind: Kind::StateDiffers,
            object: RecordKind::Refund,
            date: now.date_naive(),
            object_id: Some(refund.id.0),
            order_id: Some(refund.order_id),
            reference: None,
            ours: Some((refund.amount, refund.status.as_str().to_owned())),
            theirs: Some((refund.amount, RecordState::Failed)),
        }
    }

    /// Names it, within its provider and kind, whichever comparison finds it.
    pub fn identity(&self) -> String {
        match (self.kind, &self.reference, self.object_id) {
            // One payment may be charged there more than once.
            (Kind::MissingHere, Some(reference), _) => reference.clone(),
            (_, _, Some(id)) => id.to_string(),
            (_, reference, None) => reference.clone().unwrap_or_default(),
        }
    }

    /// What somebody may do about it. Nobody does it by themselves.
    pub fn proposal(&self) -> &'static str {
        use RecordKind::{Charge, Refund};
        match (self.kind, self.object) {
            (Kind::MissingHere, Charge) => {
                "Find out who made this charge. If nobody owes it, refund it at the provider."
            }
            (Kind::MissingHere, Refund) => {
                "Find out who made this refund at the provider. Claim it back, or note why it is \
                 right. Do not refund the payment for it: that gives the money once more."
            }
            (Kind::MissingThere, Charge) => {
                "Ask the provider for this charge. If it has no money of it, the order was not \
                 paid: charge the customer again or write it off."
            }
            (Kind::MissingThere, Refund) => {
                "Ask the provider for this refund. If it made none, the customer still waits for \
                 the money: give it back at the provider."
            }
            (Kind::AmountDiffers, Charge) => {
                "Refund at the provider what it has taken too much, or charge the rest."
            }
            (Kind::AmountDiffers, Refund) => {
                "Give back at the provider what is missing, or claim back what was too much."
            }
            (Kind::StateDiffers, Charge) => match self.theirs {
                Some((_, RecordState::Succeeded)) => {
                    "The provider has the money and we do not know: RefreshPayment finds it, and \
                     gives it back if the order is off."
                }
                _ => {
                    "The provider does not have the money: RefreshPayment asks again. If it stays \
                     so, charge the customer again or write it off."
                }
            },
            (Kind::StateDiffers, Refund) => match self.theirs {
                Some((_, RecordState::Succeeded)) => {
                    "The customer has the money back and we do not know: RefreshPayment finds the \
                     refund done."
                }
                _ => {
                    "The customer does not have the money back: RefreshPayment asks again. If the \
                     refund is refused then, have it retried, or give it back at the provider."
                }
            },
        }
    }
}

/// The comparison of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// The day, UTC.
    pub date: NaiveDate,
    /// When it began. What was in flight then is left out.
    pub begin_time: DateTime<Utc>,
}

impl Comparison {
    /// The day's first moment.
    pub fn start(&self) -> DateTime<Utc> {
        self.date.and_time(NaiveTime::MIN).and_utc()
    }

    /// The first moment after the day.
    pub fn end(&self) -> DateTime<Utc> {
        self.start() + Days::new(1)
    }

    /// A record of the provider beside what we have under its id. `again`: the
    /// provider has another record of it that counts.
    pub fn of_record(&self, record: &Record, ours: Option<&Ours>, again: bool) -> Option<Finding> {
        let ours = ours.filter(|ours| !again && is_near(ours.time, record.time));
        let time = ours.map_or(record.time, |ours| ours.time);
        if !self.concerns(time) || self.in_flight(time.max(record.time)) {
            return None;
        }
        let kind = match ours {
            // No money moved, or none will: there is nothing to miss.
            None if record.state == RecordState::Failed => return None,
            None => Kind::MissingHere,
            Some(ours) => differs(ours, record)?,
        };
        Some(Finding {
            kind,
            object: record.kind,
            date: time.date_naive(),
            object_id: ours.map(|ours| ours.id).or(record.id),
            order_id: ours.map(|ours| ours.order_id),
            reference: Some(record.reference.clone()),
            ours: ours.map(|ours| (ours.amount, ours.standing.as_str().to_owned())),
            theirs: Some((record.amount, record.state)),
        })
    }

    /// One of ours of which the provider has no record that could be compared.
    pub fn of_ours(&self, ours: &Ours) -> Option<Finding> {
        if ours.standing.belief() != Belief::Moved
            || !self.concerns(ours.time)
            || self.in_flight(ours.time)
        {
            return None;
        }
        Some(Finding {
            kind: Kind::MissingThere,
            object: match ours.standing {
                Standing::Charge(_) => RecordKind::Charge,
                Standing::Refund(_) => RecordKind::Refund,
            },
            date: ours.time.date_naive(),
            object_id: Some(ours.id),
            order_id: Some(ours.order_id),
            reference: None,
            ours: Some((ours.amount, ours.standing.as_str().to_owned())),
            theirs: None,
        })
    }

    fn concerns(&self, time: DateTime<Utc>) -> bool {
        time.date_naive() == self.date
    }

    fn in_flight(&self, time: DateTime<Utc>) -> bool {
        time + SETTLED_AGE > self.begin_time
    }
}

fn is_near(a: DateTime<Utc>, b: DateTime<Utc>) -> bool {
    (a - b).abs().to_std().is_ok_and(|apart| apart <= MARGIN)
}

fn differs(ours: &Ours, record: &Record) -> Option<Kind> {
    match (ours.standing.belief(), record.state) {
        (Belief::Moved, RecordState::Succeeded) => {
            (ours.amount != record.amount).then_some(Kind::AmountDiffers)
        }
        (Belief::Stayed, RecordState::Failed) | (Belief::Open, RecordState::Pending) => None,
        _ => Some(Kind::StateDiffers),
    }
}

/// A discrepancy as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// Its own id.
    pub id: DiscrepancyId,
    /// At which provider.
    pub provider: ProviderName,
    /// What was found, last.
    pub finding: Finding,
    /// What somebody may do about it.
    pub proposal: String,
    /// Where it stands.
    pub state: State,
    /// When it was first found.
    pub create_time: DateTime<Utc>,
    /// When it was dealt with, or found no more.
    pub close_time: Option<DateTime<Utc>>,
    /// Who has dealt with it, and what they noted.
    pub resolution: Option<Resolution>,
}

/// How staff have dealt with a discrepancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Who.
    pub staff_id: AccountId,
    /// What they noted.
    pub reason: Reason,
}

/// How far a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The provider's records are read.
    Listing,
    /// They are compared with ours.
    Records,
    /// Our payments are looked for among them.
    Charges,
    /// Our refunds are looked for among them.
    Refunds,
    /// It is done.
    Finished,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [
        Self::Listing,
        Self::Records,
        Self::Charges,
        Self::Refunds,
        Self::Finished,
    ];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Records => "records",
            Self::Charges => "charges",
            Self::Refunds => "refunds",
            Self::Finished => "finished",
        }
    }

    /// What follows.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Listing => Self::Records,
            Self::Records => Self::Charges,
            Self::Charges => Self::Refunds,
            Self::Refunds | Self::Finished => Self::Finished,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| format!("phase '{text}' is unknown"))
    }
}

/// The comparison of a day with a provider, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The day, UTC.
    pub date: NaiveDate,
    /// With whom.
    pub provider: ProviderName,
    /// How far it is.
    pub phase: Phase,
    /// How many records of the provider were read.
    pub records: u64,
    /// How often the day was compared, this time counted.
    pub number: u32,
    /// When it began.
    pub begin_time: DateTime<Utc>,
    /// When it was done.
    pub end_time: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests;
