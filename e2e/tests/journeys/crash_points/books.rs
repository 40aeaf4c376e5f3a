//! What the databases say of an order, behind the shop's back.

use e2e::shop::Shop;
use souk::{load::books::Sources, stack::Process};
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

/// The services' databases, and their streams.
pub(crate) struct Books {
    all: Vec<(Process, PgPool)>,
    sources: Sources,
}

/// What the databases hold for an order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) payments: i64,
    /// Charges that the provider has made.
    pub(crate) captures: i64,
    /// Refunds that the provider has made.
    pub(crate) refunds: i64,
    /// Mails that were sent.
    pub(crate) mails: i64,
    /// What [`Books::waiting`] says.
    pub(crate) waiting: i64,
}

impl Books {
    pub(crate) async fn of(shop: &Shop) -> Self {
        let mut all = Vec::new();
        for process in Process::SERVICES {
            let url = shop.stack.database_url(process).unwrap();
            let pool = PgPoolOptions::new().max_connections(1);
            all.push((process, pool.connect(&url).await.unwrap()));
        }
        let sources = Sources::of(&shop.stack).await.unwrap();
        Self { all, sources }
    }

    pub(crate) async fn entries(&self, order_id: &str) -> Entries {
        let id: Uuid = order_id.parse().unwrap();
        let of_order = async |process, sql| {
            let count = sqlx::query_scalar(sql).bind(id);
            count.fetch_one(self.db(process)).await.unwrap()
        };
        Entries {
            payments: of_order(
                Process::Payment,
                "SELECT count(*) FROM payments WHERE order_id = $1",
            )
            .await,
            captures: of_order(
                Process::Payment,
                "SELECT count(*) FROM sandbox.charges c JOIN payments p ON p.id = c.payment_id
                 WHERE p.order_id = $1 AND c.decline_reason IS NULL",
            )
            .await,
            refunds: of_order(
                Process::Payment,
                "SELECT count(*) FROM sandbox.refunds r JOIN payments p ON p.id = r.payment_id
                 WHERE p.order_id = $1",
            )
            .await,
            mails: of_order(
                Process::Notify,
                "SELECT count(*) FROM deliveries WHERE order_id = $1 AND status = 'sent'",
            )
            .await,
            waiting: self.waiting().await,
        }
    }

    /// How many mails an account was sent.
    pub(crate) async fn mails_to(&self, account_id: &str) -> i64 {
        let id: Uuid = account_id.parse().unwrap();
        sqlx::query_scalar(
            "SELECT count(*) FROM deliveries WHERE account_id = $1 AND status = 'sent'",
        )
        .bind(id)
        .fetch_one(self.db(Process::Notify))
        .await
        .unwrap()
    }

    /// Events that nobody has published, or that a service was handed and has
    /// not acknowledged, and mails that nobody has sent. A NATS that does not
    /// say holds one.
    pub(crate) async fn waiting(&self) -> i64 {
        let mut waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE status <> 'sent'")
                .fetch_one(self.db(Process::Notify))
                .await
                .unwrap();
        for (_, db) in &self.all {
            let events: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
                .fetch_one(db)
                .await
                .unwrap();
            waiting += events;
        }
        let unacknowledged = self.sources.unacknowledged().await.unwrap_or(1);
        waiting += i64::try_from(unacknowledged).unwrap();
        waiting
    }

    /// Whether svc-order notes which events it has handled.
    pub(crate) async fn has_claims(&self) -> bool {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM inbox)")
            .fetch_one(self.db(Process::Order))
            .await
            .unwrap()
    }

    fn db(&self, process: Process) -> &PgPool {
        let found = self.all.iter().find(|(whose, _)| *whose == process);
        &found.unwrap().1
    }
}
