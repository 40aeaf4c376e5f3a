//! What the tests share: a service on a database of its own, with a clock that
//! stands still.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use proto::{
    events::Event,
    souk::{
        event::v1::{OrderCancelled, OrderReturned, PaymentRequested},
        payment::v1 as pb,
    },
};
use sqlx::PgPool;
use svc_kit::{
    caller::{Caller, STAFF},
    clock::Clock,
    consumer::{ConsumeError, Consumer, Delivered, deliver},
    db::Db,
    id::{self, AccountId},
    job::{Job as _, Progress},
    money::Money,
    testing,
};
use svc_payment::{
    MIGRATIONS,
    app::App,
    charge_payment::{Answered, begin, conclude},
    consumers::{OnOrderCancelled, OnOrderReturned, OnPaymentRequested},
    jobs::{ChargeRequested, RefundCaptured},
    ledger::Account,
    payment::{OrderId, Payment, PaymentId, Status},
    provider::{FoundCharge, Providers, Receipt, sandbox::Sandbox},
    refund::ReturnId,
    refund_payment,
    store::{
        LEASE, ledger,
        payments::{self, Claimed},
        refunds,
    },
};
use tokio::time::Instant;
use tonic::Request;
use tonic_types::StatusExt as _;
use tracing::Span;

use crate::double::Double;

/// Longer than any pause between attempts, and than any lease.
pub(crate) const LONG: Duration = Duration::from_secs(LEASE.as_secs() + 60);

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// When the clock stands still, in seconds since the epoch.
pub(crate) const START: i64 = 1_700_000_000;

#[derive(Clone)]
pub(crate) struct Harness {
    pub(crate) app: App,
    pub(crate) clock: Clock,
    pub(crate) pool: PgPool,
}

/// What the sandbox keeps of 42 euros: 1.4 % of them and 25 cents.
pub(crate) const FEE: i64 = 59 + 25;
/// What a refunded payment leaves in the ledger: what the provider has kept.
pub(crate) const GIVEN_BACK: [(Account, i64); 4] = [
    (Account::CashAtProvider, -FEE),
    (Account::Fees, FEE),
    (Account::Refunds, 42_00),
    (Account::Revenue, -42_00),
];

/// What the sandbox answers to the charge of 42 euros.
pub(crate) fn receipt() -> Receipt {
    Receipt { fee: eur(FEE) }
}

/// A request of somebody of the staff.
pub(crate) fn by_staff<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let staff = Caller {
        roles: vec!["customer".to_owned(), STAFF.to_owned()],
        ..testing::caller()
    };
    request.extensions_mut().insert(staff);
    request
}

/// The stable reason of a refusal.
pub(crate) fn reason(refused: &tonic::Status) -> String {
    refused
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone()
}

pub(crate) fn eur(minor: i64) -> Money {
    Money::new("EUR".parse().unwrap(), minor)
}

impl Harness {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with(pool, |double| double).await
    }

    /// With what a test hooks into the provider.
    pub(crate) async fn with(pool: PgPool, hook: impl FnOnce(Double) -> Double) -> Self {
        Self::with_providers(pool, |db, clock| {
            let sandbox = Sandbox::new(db.clone(), clock.clone());
            let double = Double::of(sandbox.with_slow_answer(Duration::ZERO));
            Providers::new(Arc::new(hook(double)), None)
        })
        .await
    }

    /// With these providers.
    pub(crate) async fn with_providers(
        pool: PgPool,
        providers: impl FnOnce(&Db, &Clock) -> Providers,
    ) -> Self {
        let clock = Clock::manual(DateTime::from_timestamp(START, 0).unwrap());
        let db = testing::migrated(pool.clone(), &MIGRATIONS).await;
        let providers = providers(&db, &clock);
        let app = App::new(db, providers, clock.clone());
        Self { app, clock, pool }
    }

    /// A request for 42 euros with this token.
    pub(crate) fn request(&self, token: &str) -> PaymentRequested {
        PaymentRequested {
            order_id: OrderId::generate(&self.clock).to_string(),
            payment_id: PaymentId::generate(&self.clock).to_string(),
            account_id: AccountId::generate(&self.clock).to_string(),
            amount: Some(eur(42_00).into()),
            payment_token: token.to_owned(),
        }
    }

    pub(crate) async fn requested(&self, token: &str) -> PaymentRequested {
        let request = self.request(token);
        self.hear_request(&request).await.unwrap();
        request
    }

    pub(crate) async fn hear_request(
        &self,
        event: &PaymentRequested,
    ) -> Result<Delivered, ConsumeError> {
        self.hear(
            &OnPaymentRequested {
                app: self.app.clone(),
            },
            event.clone(),
        )
        .await
    }

    pub(crate) async fn hear_cancelled(
        &self,
        request: &PaymentRequested,
    ) -> Result<Delivered, ConsumeError> {
        let event = OrderCancelled {
            order_id: request.order_id.clone(),
            account_id: request.account_id.clone(),
            reason: "CUSTOMER_CANCELLED".to_owned(),
            ..OrderCancelled::default()
        };
        self.hear(
            &OnOrderCancelled {
                app: self.app.clone(),
            },
            event,
        )
        .await
    }

    /// Some of an order came back; so many cents go with it.
    pub(crate) fn returned(&self, request: &PaymentRequested, minor: i64) -> OrderReturned {
        OrderReturned {
            order_id: request.order_id.clone(),
            return_id: ReturnId::generate(&self.clock).to_string(),
            account_id: request.account_id.clone(),
            restocked: Vec::new(),
            refund: Some(eur(minor).into()),
        }
    }

    pub(crate) async fn hear_returned(
        &self,
        event: &OrderReturned,
    ) -> Result<Delivered, ConsumeError> {
        self.hear(
            &OnOrderReturned {
                app: self.app.clone(),
            },
            event.clone(),
        )
        .await
    }

    /// What staff send to give so many cents back.
    pub(crate) fn refund(
        &self,
        request: &PaymentRequested,
        minor: i64,
    ) -> pb::RefundPaymentRequest {
        pb::RefundPaymentRequest {
            request_id: id::generate(&self.clock).to_string(),
            order_id: request.order_id.clone(),
            amount: Some(eur(minor).into()),
            reason: "came late".to_owned(),
        }
    }

    async fn hear<C: Consumer>(
        &self,
        consumer: &C,
        event: C::Event,
    ) -> Result<Delivered, ConsumeError> {
        deliver(&self.app.db, consumer, id::generate(&self.clock), event).await
    }

    pub(crate) async fn charge_step(&self) -> Progress {
        ChargeRequested::new(self.app.clone()).step().await.unwrap()
    }

    /// Claims the only payment that is due.
    pub(crate) async fn claim(&self) -> Claimed {
        let mut claimed = begin(&self.app).await.unwrap();
        assert_eq!(claimed.len(), 1);
        claimed.remove(0)
    }

    /// Claims the one refund that is due.
    pub(crate) async fn claim_refund(&self) -> refunds::Claimed {
        refund_payment::begin(&self.app).await.unwrap().unwrap()
    }

    /// A payment that was made, and whose order was cancelled after it.
    pub(crate) async fn called_off(&self, token: &str) -> PaymentRequested {
        let request = self.requested(token).await;
        self.drain().await;
        self.hear_cancelled(&request).await.unwrap();
        request
    }

    /// Records what the provider has said of one payment alone.
    pub(crate) async fn conclude(&self, claimed: Claimed, answer: FoundCharge) {
        let answered = Answered {
            claimed,
            answer,
            span: Span::none(),
        };
        for concluded in conclude(&self.app, &[answered]).await {
            concluded.unwrap();
        }
    }

    /// A payment that is captured, and nothing else of it.
    pub(crate) async fn captured(&self) -> PaymentRequested {
        let request = self.requested("tok_ok").await;
        while self.charge_step().await == Progress::More {}
        assert_eq!(self.status(&request).await, Status::Captured);
        request
    }

    /// Works until nothing is due any more.
    pub(crate) async fn drain(&self) {
        while self.charge_step().await == Progress::More {}
        let refunds = RefundCaptured {
            app: self.app.clone(),
        };
        while refunds.step().await.unwrap() == Progress::More {}
    }

    /// Works, and lets time pass, until every lease and pause is over.
    pub(crate) async fn settle(&self) {
        for _ in 0..4 {
            self.drain().await;
            self.clock.advance(LONG);
        }
        self.drain().await;
    }

    pub(crate) async fn payment(&self, request: &PaymentRequested) -> Payment {
        let order_id = request.order_id.parse().unwrap();
        payments::of_order(&self.pool, order_id)
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn status(&self, request: &PaymentRequested) -> Status {
        self.payment(request).await.status
    }

    /// Waits until a payment stands there.
    pub(crate) async fn until(&self, request: &PaymentRequested, expected: Status) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status(request).await;
            if status == expected {
                return;
            }
            assert!(Instant::now() < deadline, "still {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn outbox(&self) -> Vec<String> {
        testing::outbox_subjects(&self.app.db).await
    }

    /// The events of this type that wait in the outbox, oldest first.
    pub(crate) async fn announced<E: Event>(&self) -> Vec<E> {
        let payloads: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT payload FROM outbox WHERE subject = $1 ORDER BY seq")
                .bind(E::SUBJECT)
                .fetch_all(&self.pool)
                .await
                .unwrap();
        payloads
            .iter()
            .map(|payload| E::decode(payload.as_slice()).unwrap())
            .collect()
    }

    /// How many charges, and refunds, the sandbox has made of a payment.
    pub(crate) async fn at_sandbox(&self, request: &PaymentRequested) -> (i64, i64) {
        let payment_id: PaymentId = request.payment_id.parse().unwrap();
        sqlx::query_as(
            "SELECT (SELECT count(*) FROM sandbox.charges
                     WHERE payment_id = $1 AND decline_reason IS NULL),
                    (SELECT count(*) FROM sandbox.refunds WHERE payment_id = $1)",
        )
        .bind(payment_id.0)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// Minor units by account, of one order; empty accounts are left out.
    pub(crate) async fn books(&self, request: &PaymentRequested) -> Vec<(Account, i64)> {
        let order_id = request.order_id.parse().unwrap();
        let balances = ledger::balances(&self.pool, Some(order_id)).await.unwrap();
        assert_eq!(
            balances.iter().map(|b| b.minor).sum::<i128>(),
            0,
            "{balances:?}"
        );
        balances
            .into_iter()
            .filter(|balance| balance.minor != 0)
            .map(|balance| (balance.account, i64::try_from(balance.minor).unwrap()))
            .collect()
    }
}
