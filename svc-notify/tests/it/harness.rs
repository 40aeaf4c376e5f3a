//! What the tests share: a service on a database of its own, with a clock that
//! stands still.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::DateTime;
use proto::souk::event::v1::{
    AccountRegistered, OrderCancelled, OrderConfirmed, OrderReturned, OrderShipped, OrderedLine,
};
use sqlx::PgPool;
use svc_kit::{
    caller::Caller,
    clock::Clock,
    consumer::{ConsumeError, Consumer, Delivered, deliver},
    id::{self, AccountId},
    job::{Job as _, Progress},
    money::Money,
    testing,
};
use svc_notify::{
    MIGRATIONS,
    app::App,
    channel::Mailer,
    config::MailConfig,
    consumers::{
        OnAccountRegistered, OnOrderCancelled, OnOrderConfirmed, OnOrderReturned, OnOrderShipped,
    },
    delivery::{Delivery, Status},
    jobs::SendQueued,
    list_deliveries::list_deliveries,
    send_delivery::begin,
    store::deliveries::Claimed,
};
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

/// Longer than any pause between attempts, and than any lease.
pub(crate) const LONG: Duration = Duration::from_hours(2);

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(crate) struct Harness {
    pub(crate) app: App,
    pub(crate) clock: Clock,
    pub(crate) pool: PgPool,
}

/// An account and what happens to it.
pub(crate) struct Somebody {
    pub(crate) registered: AccountRegistered,
    pub(crate) confirmed: OrderConfirmed,
    pub(crate) cancelled: OrderCancelled,
}

impl Somebody {
    pub(crate) fn account_id(&self) -> AccountId {
        self.registered.account_id.parse().unwrap()
    }
}

impl Harness {
    /// Mails become files in this directory.
    pub(crate) async fn with_files(pool: PgPool, directory: &Path) -> Self {
        Self::new(pool, None, Some(directory.to_owned())).await
    }

    /// Mails go to this server.
    pub(crate) async fn with_smtp(pool: PgPool, url: String) -> Self {
        Self::new(pool, Some(url), None).await
    }

    async fn new(pool: PgPool, smtp_url: Option<String>, mail_dir: Option<PathBuf>) -> Self {
        let clock = Clock::manual(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let db = testing::migrated(pool.clone(), &MIGRATIONS).await;
        let mailer = Mailer::new(&MailConfig {
            smtp_url: smtp_url.map(Into::into),
            mail_dir,
            mail_from: "Souk <shop@souk.example>".to_owned(),
        })
        .unwrap();
        let app = App::new(db, mailer, clock.clone()).unwrap();
        Self { app, clock, pool }
    }

    pub(crate) fn somebody(&self, email: &str, name: &str) -> Somebody {
        let account_id = AccountId::generate(&self.clock).to_string();
        let order_id = id::generate(&self.clock).to_string();
        let total = Some(Money::new("EUR".parse().unwrap(), 42_00).into());
        let lines = vec![OrderedLine {
            product_id: id::generate(&self.clock).to_string(),
            quantity: 3,
        }];
        Somebody {
            registered: AccountRegistered {
                account_id: account_id.clone(),
                email: email.to_owned(),
                display_name: name.to_owned(),
            },
            confirmed: OrderConfirmed {
                order_id: order_id.clone(),
                account_id: account_id.clone(),
                lines: lines.clone(),
                total: total.clone(),
            },
            cancelled: OrderCancelled {
                order_id,
                account_id,
                lines,
                total,
                reason: "CUSTOMER_CANCELLED".to_owned(),
            },
        }
    }

    pub(crate) async fn ana(&self) -> Somebody {
        let ana = self.somebody("ana@example.com", "Ana");
        self.registered(&ana).await.unwrap();
        ana
    }

    pub(crate) async fn registered(&self, who: &Somebody) -> Result<Delivered, ConsumeError> {
        let consumer = OnAccountRegistered {
            app: self.app.clone(),
        };
        self.hear(&consumer, who.registered.clone()).await
    }

    pub(crate) async fn confirmed(&self, who: &Somebody) -> Result<Delivered, ConsumeError> {
        self.hear(
            &OnOrderConfirmed {
                app: self.app.clone(),
            },
            who.confirmed.clone(),
        )
        .await
    }

    pub(crate) async fn cancelled(&self, who: &Somebody) -> Result<Delivered, ConsumeError> {
        self.hear(
            &OnOrderCancelled {
                app: self.app.clone(),
            },
            who.cancelled.clone(),
        )
        .await
    }

    pub(crate) async fn shipped(&self, who: &Somebody) -> Result<Delivered, ConsumeError> {
        let event = OrderShipped {
            order_id: who.confirmed.order_id.clone(),
            account_id: who.confirmed.account_id.clone(),
            carrier: "DHL".to_owned(),
            tracking_code: "00340434".to_owned(),
        };
        self.hear(
            &OnOrderShipped {
                app: self.app.clone(),
            },
            event,
        )
        .await
    }

    pub(crate) async fn returned(
        &self,
        who: &Somebody,
        return_id: Uuid,
    ) -> Result<Delivered, ConsumeError> {
        let event = OrderReturned {
            order_id: who.confirmed.order_id.clone(),
            return_id: return_id.to_string(),
            account_id: who.confirmed.account_id.clone(),
            restocked: who.confirmed.lines.clone(),
            refund: who.confirmed.total.clone(),
        };
        self.hear(
            &OnOrderReturned {
                app: self.app.clone(),
            },
            event,
        )
        .await
    }

    /// Under a new event id each time, and a later one each time.
    async fn hear<C: Consumer>(
        &self,
        consumer: &C,
        event: C::Event,
    ) -> Result<Delivered, ConsumeError> {
        self.clock.advance(Duration::from_millis(1));
        deliver(&self.app.db, consumer, id::generate(&self.clock), event).await
    }

    pub(crate) async fn step(&self) -> Progress {
        SendQueued::new(self.app.clone()).step().await.unwrap()
    }

    /// Claims the only delivery that is due.
    pub(crate) async fn claim(&self) -> Claimed {
        let mut claimed = begin(&self.app).await.unwrap();
        assert_eq!(claimed.len(), 1);
        claimed.remove(0)
    }

    /// Works until nothing is due any more.
    pub(crate) async fn drain(&self) {
        while self.step().await == Progress::More {}
    }

    /// Waits until what somebody was told last stands there.
    pub(crate) async fn until(&self, who: &Somebody, expected: Status) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.deliveries(who).await[0].status;
            if status == expected {
                return;
            }
            assert!(Instant::now() < deadline, "still {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What somebody was sent, newest first.
    pub(crate) async fn deliveries(&self, who: &Somebody) -> Vec<Delivery> {
        let caller = Caller {
            account_id: who.account_id(),
            ..testing::caller()
        };
        list_deliveries(&self.app, &caller, None, 100)
            .await
            .unwrap()
            .deliveries
    }
}

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The names and contents of all mails, and of everything else that lies there.
pub(crate) fn mails(directory: &Path) -> Vec<(String, String)> {
    let mut mails: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    mails.sort();
    mails
}
