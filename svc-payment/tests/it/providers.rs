//! Providers in front of the sandbox, for tests.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use svc_kit::money::Money;
use svc_payment::{
    payment::{PaymentId, PaymentToken},
    provider::{
        Charged, Cursor, FoundCharge, FoundRefund, Provider, ProviderAway, ProviderName,
        RecordPage, Refunded, sandbox::Sandbox,
    },
    refund::RefundId,
};
use tokio::sync::Semaphore;

/// Says how often each payment was charged: more than once fails the test.
pub(crate) struct Counting {
    sandbox: Sandbox,
    charges: Mutex<Vec<PaymentId>>,
}

impl Counting {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            charges: Mutex::default(),
        }
    }
}

#[async_trait]
impl Provider for Counting {
    fn name(&self) -> ProviderName {
        self.sandbox.name()
    }

    async fn charge(&self, id: PaymentId, amount: Money, token: &PaymentToken) -> Charged {
        {
            let mut charges = self.charges.lock().unwrap();
            assert!(!charges.contains(&id), "{id} is charged again");
            charges.push(id);
        }
        self.sandbox.charge(id, amount, token).await
    }

    async fn look_up(&self, id: PaymentId) -> FoundCharge {
        self.sandbox.look_up(id).await
    }

    async fn refund(&self, id: RefundId, payment_id: PaymentId, amount: Money) -> Refunded {
        self.sandbox.refund(id, payment_id, amount).await
    }

    async fn look_up_refund(&self, id: RefundId) -> FoundRefund {
        self.sandbox.look_up_refund(id).await
    }

    async fn list(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> Result<RecordPage, ProviderAway> {
        self.sandbox.list(from, until, after).await
    }
}

/// Does not answer to `tok_slow` before it may.
pub(crate) struct Held {
    pub(crate) sandbox: Sandbox,
    pub(crate) gate: Arc<Semaphore>,
}

#[async_trait]
impl Provider for Held {
    fn name(&self) -> ProviderName {
        self.sandbox.name()
    }

    async fn charge(&self, id: PaymentId, amount: Money, token: &PaymentToken) -> Charged {
        if token.expose() == "tok_slow" {
            let _permit = self.gate.acquire().await.unwrap();
        }
        self.sandbox.charge(id, amount, token).await
    }

    async fn look_up(&self, id: PaymentId) -> FoundCharge {
        self.sandbox.look_up(id).await
    }

    async fn refund(&self, id: RefundId, payment_id: PaymentId, amount: Money) -> Refunded {
        self.sandbox.refund(id, payment_id, amount).await
    }

    async fn look_up_refund(&self, id: RefundId) -> FoundRefund {
        self.sandbox.look_up_refund(id).await
    }

    async fn list(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> Result<RecordPage, ProviderAway> {
        self.sandbox.list(from, until, after).await
    }
}

/// The first charge gets lost on the way, and the first look-ups answer what
/// they are told.
pub(crate) struct Scripted {
    sandbox: Sandbox,
    charges: AtomicU32,
    look_ups: Mutex<VecDeque<FoundCharge>>,
}

impl Scripted {
    pub(crate) fn new(sandbox: Sandbox, look_ups: impl Into<VecDeque<FoundCharge>>) -> Self {
        Self {
            sandbox,
            charges: AtomicU32::new(0),
            look_ups: Mutex::new(look_ups.into()),
        }
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> ProviderName {
        self.sandbox.name()
    }

    async fn charge(&self, id: PaymentId, amount: Money, token: &PaymentToken) -> Charged {
        if self.charges.fetch_add(1, Ordering::SeqCst) == 0 {
            return Charged::Unknown;
        }
        self.sandbox.charge(id, amount, token).await
    }

    async fn look_up(&self, id: PaymentId) -> FoundCharge {
        let scripted = self.look_ups.lock().unwrap().pop_front();
        match scripted {
            Some(answer) => answer,
            None => self.sandbox.look_up(id).await,
        }
    }

    async fn refund(&self, id: RefundId, payment_id: PaymentId, amount: Money) -> Refunded {
        self.sandbox.refund(id, payment_id, amount).await
    }

    async fn look_up_refund(&self, id: RefundId) -> FoundRefund {
        self.sandbox.look_up_refund(id).await
    }

    async fn list(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> Result<RecordPage, ProviderAway> {
        self.sandbox.list(from, until, after).await
    }
}
