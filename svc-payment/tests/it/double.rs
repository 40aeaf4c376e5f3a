//! A provider in front of the sandbox, for tests. It does what a test hooks into
//! it, and else what the sandbox does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use svc_kit::money::Money;
use svc_payment::{
    payment::{PaymentId, PaymentToken},
    provider::{
        Charged, Cursor, FoundCharge, FoundRefund, Provider, ProviderAway, ProviderName, Record,
        RecordKind, RecordPage, RecordState, Refunded, sandbox::Sandbox,
    },
    refund::RefundId,
};
use tokio::sync::Semaphore;

type Hook<Asked, Answer> = Box<dyn Fn(Asked) -> Answer + Send + Sync>;

/// A hook that answers nothing leaves the call to the sandbox.
pub(crate) struct Double {
    pub(crate) sandbox: Sandbox,
    pub(crate) name: ProviderName,
    /// Whose permit a charge of `tok_slow` waits for.
    pub(crate) gate: Option<Arc<Semaphore>>,
    pub(crate) charge: Hook<PaymentId, Option<Charged>>,
    pub(crate) look_up: Hook<PaymentId, Option<FoundCharge>>,
    pub(crate) refund: Hook<RefundId, Option<Refunded>>,
    pub(crate) look_up_refund: Hook<RefundId, Option<FoundRefund>>,
    /// Is given what the sandbox lists, and says what is listed instead.
    pub(crate) list: Hook<Vec<Record>, Vec<Record>>,
}

impl Double {
    pub(crate) fn of(sandbox: Sandbox) -> Self {
        Self {
            name: sandbox.name(),
            sandbox,
            gate: None,
            charge: Box::new(|_| None),
            look_up: Box::new(|_| None),
            refund: Box::new(|_| None),
            look_up_refund: Box::new(|_| None),
            list: Box::new(|records| records),
        }
    }

    /// Does not answer to `tok_slow` before it may.
    pub(crate) fn held_by(self, gate: &Arc<Semaphore>) -> Self {
        Self {
            gate: Some(Arc::clone(gate)),
            ..self
        }
    }

    /// A Stripe with the books of the sandbox, whose refunds fail after they were
    /// made, as long as it is told so.
    pub(crate) fn fickle(self, fails: &Arc<AtomicBool>) -> Self {
        let (found, listed) = (Arc::clone(fails), Arc::clone(fails));
        Self {
            name: ProviderName::Stripe,
            look_up_refund: Box::new(move |_| {
                found.load(Ordering::SeqCst).then_some(FoundRefund::Refused)
            }),
            list: Box::new(move |mut records| {
                let fails = listed.load(Ordering::SeqCst);
                for record in &mut records {
                    if fails && record.kind == RecordKind::Refund {
                        record.state = RecordState::Failed;
                    }
                }
                records
            }),
            ..self
        }
    }
}

#[async_trait]
impl Provider for Double {
    fn name(&self) -> ProviderName {
        self.name
    }

    async fn charge(&self, id: PaymentId, amount: Money, token: &PaymentToken) -> Charged {
        if let Some(gate) = &self.gate
            && token.expose() == "tok_slow"
        {
            let _permit = gate.acquire().await.unwrap();
        }
        match (self.charge)(id) {
            Some(answer) => answer,
            None => self.sandbox.charge(id, amount, token).await,
        }
    }

    async fn look_up(&self, id: PaymentId) -> FoundCharge {
        match (self.look_up)(id) {
            Some(answer) => answer,
            None => self.sandbox.look_up(id).await,
        }
    }

    async fn refund(&self, id: RefundId, payment_id: PaymentId, amount: Money) -> Refunded {
        match (self.refund)(id) {
            Some(answer) => answer,
            None => self.sandbox.refund(id, payment_id, amount).await,
        }
    }

    async fn look_up_refund(&self, id: RefundId) -> FoundRefund {
        match (self.look_up_refund)(id) {
            Some(answer) => answer,
            None => self.sandbox.look_up_refund(id).await,
        }
    }

    async fn list(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> Result<RecordPage, ProviderAway> {
        let page = self.sandbox.list(from, until, after).await?;
        Ok(RecordPage {
            records: (self.list)(page.records),
            ..page
        })
    }
}
