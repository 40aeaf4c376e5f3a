//! The provider for development. It takes no money, answers by the token
//! alone, and keeps its records over a restart as a real one would.
//!
//! | token | answer |
//! | --- | --- |
//! | `tok_ok` | captured |
//! | `tok_declined` | declined, `PAYMENT_DECLINED` |
//! | `tok_timeout` | the charge is made and the answer is lost: unknown, and a look-up finds it captured |
//! | `tok_slow` | captured, and the answer takes [`SLOW_ANSWER`] |
//! | any other | declined, `PAYMENT_TOKEN_INVALID` |
//!
//! For drills it can be made to misbehave as a whole, by SQL only:
//! `UPDATE sandbox.conditions SET mode = 'slow', delay_ms = 2000`. The one row is
//! read with each call.
//!
//! | mode | each call |
//! | --- | --- |
//! | `normal` | is answered by the token |
//! | `slow` | is answered by the token, after `delay_ms` |
//! | `down` | is not answered and does nothing: unknown |
//!
//! Of each captured charge it keeps a fee, [`FEE_PER_MILLE`] and
//! [`FEE_FIXED_MINOR`], which does not come back with a refund.
//!
//! It plays an outside system: its tables are touched over connections of its
//! own, and never within a transaction of the service.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use svc_kit::{clock::Clock, db::Db, error, error::StoreError, money::Money, page};

use super::{
    Charged, Cursor, DEADLINE, Decline, FoundCharge, FoundRefund, Provider, ProviderAway,
    ProviderName, RECORDS_PER_PAGE, RecordPage, Refunded,
};
use crate::{
    payment::{PaymentId, PaymentToken},
    refund::RefundId,
    store::sandbox::{self as records, Charge, Conditions},
};

/// How long the answer to `tok_slow` takes.
pub const SLOW_ANSWER: Duration = Duration::from_secs(3);

/// What it keeps of each captured charge, in thousandths, rounded half up.
pub const FEE_PER_MILLE: i128 = 14;

/// What it keeps besides, in minor units.
pub const FEE_FIXED_MINOR: i64 = 25;

/// The most connections of the sandbox.
pub const CONNECTIONS: u32 = 4;

/// How long a call may wait for one of them, in milliseconds: as long as it may
/// take at all. Whoever charges many at once is slow to be answered, as with any
/// provider, and not left without an answer.
pub const PATIENCE_MS: u64 = DEADLINE.as_secs() * 1000;

/// The provider for development.
#[derive(Debug, Clone)]
pub struct Sandbox {
    db: Db,
    clock: Clock,
    slow_answer: Duration,
}

/// How the sandbox treats a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Capture,
    CaptureSlowly,
    CaptureAndLoseTheAnswer,
    Decline(Decline),
}

impl Manner {
    fn of(token: &PaymentToken) -> Self {
        match token.expose() {
            "tok_ok" => Self::Capture,
            "tok_slow" => Self::CaptureSlowly,
            "tok_timeout" => Self::CaptureAndLoseTheAnswer,
            "tok_declined" => Self::Decline(Decline::Declined),
            _ => Self::Decline(Decline::TokenInvalid),
        }
    }
}

impl Sandbox {
    /// With its records in the schema `sandbox` of this database.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            slow_answer: SLOW_ANSWER,
        }
    }

    /// With another pause before a slow answer.
    #[must_use]
    pub fn with_slow_answer(self, slow_answer: Duration) -> Self {
        Self {
            slow_answer,
            ..self
        }
    }

    /// Answers a call as the conditions say.
    async fn behaving<T>(&self, unknown: T, call: impl Future<Output = T>) -> T {
        match records::conditions(self.db.writer()).await {
            Ok(Conditions::Normal) => call.await,
            Ok(Conditions::Slow(delay)) => {
                let answer = call.await;
                tokio::time::sleep(delay).await;
                answer
            }
            Ok(Conditions::Down) => unknown,
            Err(fault) => {
                away(&fault);
                unknown
            }
        }
    }

    async fn record_charge(
        &self,
        payment_id: PaymentId,
        amount: Money,
        manner: Manner,
    ) -> Result<Charged, StoreError> {
        let decline = match manner {
            Manner::Decline(decline) => Some(decline),
            _ => None,
        };
        let charge = Charge {
            amount,
            fee: match decline {
                None => fee(amount)?,
                Some(_) => Money::zero(amount.currency),
            },
            decline,
        };
        let now = self.clock.now();
        let kept = records::record_charge(self.db.writer(), payment_id, &charge, now).await?;
        if kept.amount != amount {
            tracing::error!(%payment_id, "one idempotency key for two amounts");
            return Ok(Charged::Unknown);
        }
        Ok(kept
            .decline
            .map_or(Charged::Captured(kept.receipt()), Charged::Declined))
    }

    async fn record_refund(
        &self,
        refund_id: RefundId,
        payment_id: PaymentId,
        amount: Money,
    ) -> Result<Refunded, StoreError> {
        let mut tx = self.db.begin().await?;
        let charge = records::lock_charge(&mut tx, payment_id).await?;
        if records::has_refund(&mut tx, refund_id).await? {
            return Ok(Refunded::Refunded);
        }
        let refunded = records::refunded_minor(&mut tx, payment_id).await?;
        let covered = charge.is_some_and(|charge| {
            charge.decline.is_none()
                && charge.amount.currency == amount.currency
                && charge.amount.minor - refunded >= amount.minor
        });
        if !covered {
            return Ok(Refunded::Refused);
        }
        records::insert_refund(&mut tx, refund_id, payment_id, amount, self.clock.now()).await?;
        tx.commit().await?;
        Ok(Refunded::Refunded)
    }

    async fn take(&self, payment_id: PaymentId, amount: Money, token: &PaymentToken) -> Charged {
        let manner = Manner::of(token);
        let charged = self
            .record_charge(payment_id, amount, manner)
            .await
            .unwrap_or_else(|fault| {
                away(&fault);
                Charged::Unknown
            });
        match manner {
            Manner::CaptureAndLoseTheAnswer => return Charged::Unknown,
            Manner::CaptureSlowly => tokio::time::sleep(self.slow_answer).await,
            Manner::Capture | Manner::Decline(_) => {}
        }
        charged
    }

    async fn find_charge(&self, payment_id: PaymentId) -> FoundCharge {
        match records::charge(self.db.writer(), payment_id).await {
            Ok(None) => FoundCharge::NotFound,
            Ok(Some(charge)) => charge.decline.map_or(
                FoundCharge::Captured(charge.receipt()),
                FoundCharge::Declined,
            ),
            Err(fault) => {
                away(&fault);
                FoundCharge::Unknown
            }
        }
    }

    async fn give_back(
        &self,
        refund_id: RefundId,
        payment_id: PaymentId,
        amount: Money,
    ) -> Refunded {
        self.record_refund(refund_id, payment_id, amount)
            .await
            .unwrap_or_else(|fault| {
                away(&fault);
                Refunded::Unknown
            })
    }

    async fn recorded(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> Result<RecordPage, ProviderAway> {
        let cursor = after.map(|Cursor(text)| text).unwrap_or_default();
        let after = page::decode(&cursor).map_err(|why| ProviderAway(why.to_string()))?;
        let records = records::list(self.db.writer(), from, until, after, RECORDS_PER_PAGE)
            .await
            .map_err(|fault| ProviderAway(error::chain(&fault)))?;
        let is_full = records.len() >= RECORDS_PER_PAGE;
        let next = records.last().filter(|_| is_full).map(|last| {
            let position = (last.time, last.kind.as_str(), last.id.unwrap_or_default());
            Cursor(page::encode(&position))
        });
        Ok(RecordPage { records, next })
    }

    async fn find_refund(&self, refund_id: RefundId) -> FoundRefund {
        let found = async {
            let mut tx = self.db.begin().await?;
            records::has_refund(&mut tx, refund_id).await
        };
        match found.await {
            Ok(true) => FoundRefund::Refunded,
            Ok(false) => FoundRefund::NotFound,
            Err(fault) => {
                away(&fault);
                FoundRefund::Unknown
            }
        }
    }
}

#[async_trait]
impl Provider for Sandbox {
    fn name(&self) -> ProviderName {
        ProviderName::Sandbox
    }

    async fn charge(&self, payment_id: PaymentId, amount: Money, token: &PaymentToken) -> Charged {
        let answer = self.take(payment_id, amount, token);
        self.behaving(Charged::Unknown, answer).await
    }

    async fn look_up(&self, payment_id: PaymentId) -> FoundCharge {
        let answer = self.find_charge(payment_id);
        self.behaving(FoundCharge::Unknown, answer).await
    }

    async fn refund(&self, refund_id: RefundId, payment_id: PaymentId, amount: Money) -> Refunded {
        let answer = self.give_back(refund_id, payment_id, amount);
        self.behaving(Refunded::Unknown, answer).await
    }

    async fn look_up_refund(&self, refund_id: RefundId) -> FoundRefund {
        let answer = self.find_refund(refund_id);
        self.behaving(FoundRefund::Unknown, answer).await
    }

    async fn list(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> Result<RecordPage, ProviderAway> {
        let away = Err(ProviderAway("the sandbox does not answer".to_owned()));
        let answer = self.recorded(from, until, after);
        self.behaving(away, answer).await
    }
}

/// What the sandbox keeps of a charge, whatever goes back of it later.
fn fee(amount: Money) -> Result<Money, StoreError> {
    let share = (i128::from(amount.minor) * FEE_PER_MILLE + 500) / 1000;
    let minor = share + i128::from(FEE_FIXED_MINOR);
    let minor = i64::try_from(minor).map_err(|_| StoreError::Corrupt {
        table: "sandbox.charges",
        why: "the fee does not fit".to_owned(),
    })?;
    Ok(Money::new(amount.currency, minor))
}

fn away(fault: &StoreError) {
    tracing::warn!(error = error::chain(fault), "the sandbox does not answer");
}
