//! The fraud screen: who looks at an order before it is placed. It is asked
//! before the transaction, has one deadline for all, and never keeps the shop
//! from selling: when a screen cannot be asked, the order is accepted and
//! marked for review. Without screens it costs nothing.

mod amounts;
mod config;
mod http;
mod rules;
mod velocity;

use std::{
    error::Error,
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures::future::BoxFuture;
use prometheus::IntCounterVec;
use svc_kit::{breaker::Breaker, id::AccountId, metrics, money::Money};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    order::{self, Order, OrderId},
    product::ProductId,
};

pub use amounts::Amounts;
pub use config::{FraudConfig, Mismatch};
pub use http::Http;
pub use rules::Rules;
pub use velocity::VelocityRule;

/// Failures in a row after which a screen is left alone, and how long.
const TRIP_AFTER: u32 = 5;
const PAUSE: Duration = Duration::from_secs(10);

/// The most reasons that are kept for one order.
pub const MAX_REASONS: usize = 10;

static SCREENED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "order_screened_total",
        "Orders that were screened, by verdict.",
        &["verdict"],
    )
});

static UNANSWERED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "order_screen_unanswered_total",
        "Questions that a screen did not answer, by screen.",
        &["screen"],
    )
});

/// What a screen is asked about: no names, no streets, no means of payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screening {
    /// The customer's request; a repeat of it is the same question.
    pub request_id: Uuid,
    /// The order that it would make.
    pub order_id: OrderId,
    /// Who buys.
    pub account_id: AccountId,
    /// For how much.
    pub total: Money,
    /// What, how many, at which price.
    pub lines: Vec<(ProductId, i32, Money)>,
    /// Where it goes: ISO 3166-1 alpha-2.
    pub shipping_country: String,
    /// Where the account is at home, if the request says so.
    pub billing_country: Option<String>,
}

impl Screening {
    /// About an order that is to be placed.
    pub fn new(order: &Order, billing_country: Option<String>) -> Self {
        Self {
            request_id: order.request.id,
            order_id: order.id,
            account_id: order.account_id,
            total: order.total,
            lines: order
                .lines
                .iter()
                .map(|line| (line.product_id, line.quantity, line.unit_price))
                .collect(),
            shipping_country: order.shipping_address.region_code.clone(),
            billing_country,
        }
    }
}

/// Why an order is doubted, stable upper-snake: "AMOUNT_HIGH".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// A reason of ours.
    pub fn of(reason: &'static str) -> Self {
        Self(reason.to_owned())
    }

    /// A reason that somebody else gave, or `otherwise` when that is none.
    pub fn given(reason: &str, otherwise: &'static str) -> Self {
        Self(
            if order::is_reason(reason) {
                reason
            } else {
                otherwise
            }
            .to_owned(),
        )
    }

    /// A screen did not answer.
    pub fn unavailable() -> Self {
        Self::of("SCREEN_UNAVAILABLE")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a screen says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing speaks against it.
    Accept,
    /// It goes on, but people look at it before it is shipped.
    Review(Vec<Reason>),
    /// It is not placed.
    Refuse(Reason),
}

/// Why a screen did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// It cannot be reached.
    #[error("the screen cannot be reached")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    /// It answered nonsense.
    #[error("the screen answered nonsense: {0}")]
    Nonsense(String),
    /// It took too long.
    #[error("the screen took too long")]
    Late,
}

/// Somebody who looks at orders.
pub trait Screen: Send + Sync + 'static {
    /// Names it in logs and metrics: "velocity".
    fn name(&self) -> &'static str;

    /// Looks at an order. The same question again must count once.
    ///
    /// # Errors
    /// [`ScreenError`].
    fn screen<'a>(&'a self, asked: &'a Screening) -> BoxFuture<'a, Result<Verdict, ScreenError>>;
}

struct Guarded {
    screen: Box<dyn Screen>,
    breaker: Breaker,
}

/// All screens of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Fraud {
    screens: Arc<[Guarded]>,
    deadline: Duration,
}

impl Fraud {
    /// These screens, asked one after the other, with so much time for all.
    pub fn new(screens: Vec<Box<dyn Screen>>, deadline: Duration) -> Self {
        let guarded = |screen| Guarded {
            screen,
            breaker: Breaker::new(TRIP_AFTER, PAUSE),
        };
        Self {
            screens: screens.into_iter().map(guarded).collect(),
            deadline,
        }
    }

    /// Nobody is asked.
    pub fn is_off(&self) -> bool {
        self.screens.is_empty()
    }

    /// What all screens say together: a refusal ends it, doubts add up.
    pub async fn screen(&self, order: &Order, billing_country: Option<&str>) -> Verdict {
        if self.is_off() {
            return Verdict::Accept;
        }
        let asked = Screening::new(order, billing_country.map(ToOwned::to_owned));
        let verdict = self.ask(&asked).await;
        let label = match &verdict {
            Verdict::Accept => "accept",
            Verdict::Review(reasons) => {
                tracing::info!(order_id = %asked.order_id, ?reasons, "marked for review");
                "review"
            }
            Verdict::Refuse(reason) => {
                tracing::warn!(request_id = %asked.request_id, ?reason, "refused by a screen");
                "refuse"
            }
        };
        SCREENED.with_label_values(&[label]).inc();
        verdict
    }

    async fn ask(&self, asked: &Screening) -> Verdict {
        let deadline = Instant::now() + self.deadline;
        let mut doubts: Vec<Reason> = Vec::new();
        for guarded in &*self.screens {
            let news = match guarded.ask(asked, deadline).await {
                Some(Verdict::Accept) => Vec::new(),
                Some(Verdict::Review(reasons)) => reasons,
                Some(Verdict::Refuse(reason)) => return Verdict::Refuse(reason),
                None => vec![Reason::unavailable()],
            };
            for reason in news {
                if doubts.len() < MAX_REASONS && !doubts.contains(&reason) {
                    doubts.push(reason);
                }
            }
        }
        if doubts.is_empty() {
            Verdict::Accept
        } else {
            Verdict::Review(doubts)
        }
    }
}

impl Guarded {
    /// What the screen says, if it is asked and answers in time.
    async fn ask(&self, asked: &Screening, deadline: Instant) -> Option<Verdict> {
        let name = self.screen.name();
        // Whose predecessors took all the time is not to blame.
        if Instant::now() >= deadline || !self.breaker.admits() {
            UNANSWERED.with_label_values(&[name]).inc();
            return None;
        }
        let answer = tokio::time::timeout_at(deadline, self.screen.screen(asked)).await;
        match answer.unwrap_or(Err(ScreenError::Late)) {
            Ok(verdict) => {
                self.breaker.succeeded();
                Some(verdict)
            }
            Err(error) => {
                UNANSWERED.with_label_values(&[name]).inc();
                tracing::warn!(
                    screen = name,
                    error = svc_kit::error::chain(&error),
                    "not screened"
                );
                if self.breaker.failed() {
                    tracing::error!(screen = name, "orders are marked for review for now");
                }
                None
            }
        }
    }
}
