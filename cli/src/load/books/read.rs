//! Reads the books. All SQL of the judge is here, and all of it only reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use proto::events::{DEAD_LETTERS, STREAMS};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use svc_kit::dead_letter::{self, Filter};
use svc_kit::nats::{Nats, NatsConfig, inspect};
use uuid::Uuid;

use super::snapshot::{
    Charge, Claim, Delivery, Entry, Order, Payment, Refund, Reservation, Restock, Return, Snapshot,
    Stock,
};
use crate::stack::{Process, Stack};

/// Connections to each database.
const CONNECTIONS: u32 = 2;
/// How long a connection may take: the server may be down just now.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Dead letters that are read, at most; one is one too many.
const DEAD_LETTERS_READ: usize = 10_000;

/// Where the books are.
#[derive(Debug, Clone)]
pub struct Sources {
    /// svc-identity's database.
    pub identity: PgPool,
    /// svc-catalog's.
    pub catalog: PgPool,
    /// svc-order's.
    pub order: PgPool,
    /// svc-payment's, with the sandbox provider's records.
    pub payment: PgPool,
    /// svc-notify's.
    pub notify: PgPool,
    /// The streams.
    pub nats: Nats,
    /// The mails.
    pub mail_dir: PathBuf,
}

/// What is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    orders: i64,
    outbox: i64,
    events: u64,
    payments: i64,
    refunds: i64,
    returns: i64,
    deliveries: i64,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} orders, {} events unpublished, {} unheard, {} payments, {} refunds, {} returns, \
             {} messages",
            self.orders,
            self.outbox,
            self.events,
            self.payments,
            self.refunds,
            self.returns,
            self.deliveries
        )
    }
}

impl Sources {
    /// Those of a stack.
    ///
    /// # Errors
    /// When an address makes no sense.
    pub async fn of(stack: &Stack) -> anyhow::Result<Self> {
        Ok(Self {
            identity: pool(stack, Process::Identity)?,
            catalog: pool(stack, Process::Catalog)?,
            order: pool(stack, Process::Order)?,
            payment: pool(stack, Process::Payment)?,
            notify: pool(stack, Process::Notify)?,
            nats: Nats::connect(&NatsConfig::new(stack.nats_url())).await?,
            mail_dir: stack.mail_dir().to_owned(),
        })
    }

    fn databases(&self) -> [(&'static str, &PgPool); 5] {
        [
            ("svc-identity", &self.identity),
            ("svc-catalog", &self.catalog),
            ("svc-order", &self.order),
            ("svc-payment", &self.payment),
            ("svc-notify", &self.notify),
        ]
    }

    /// How many orders were ever confirmed.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn confirmed(&self) -> anyhow::Result<i64> {
        count(
            &self.order,
            "SELECT count(*) FROM order_changes WHERE status = 'confirmed'",
        )
        .await
    }

    /// What is under way.
    ///
    /// # Errors
    /// When a server is away.
    pub async fn unfinished(&self) -> anyhow::Result<Unfinished> {
        let mut unfinished = Unfinished {
            orders: count(
                &self.order,
                "SELECT count(*) FROM orders WHERE status IN ('pending', 'reserved')",
            )
            .await?,
            payments: count(
                &self.payment,
                "SELECT count(*) FROM payments WHERE due_time IS NOT NULL",
            )
            .await?,
            refunds: count(
                &self.payment,
                "SELECT count(*) FROM refunds WHERE due_time IS NOT NULL",
            )
            .await?,
            returns: self.unfinished_returns().await?,
            deliveries: count(
                &self.notify,
                "SELECT count(*) FROM deliveries WHERE due_time IS NOT NULL",
            )
            .await?,
            ..Unfinished::default()
        };
        for (_, database) in self.databases() {
            unfinished.outbox += count(database, "SELECT count(*) FROM outbox").await?;
        }
        for stream in STREAMS {
            for consumer in inspect::consumers(&self.nats, *stream).await? {
                unfinished.events += consumer.pending + consumer.unacknowledged;
            }
        }
        Ok(unfinished)
    }

    /// Events that a consumer was handed and has not acknowledged.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn unacknowledged(&self) -> anyhow::Result<u64> {
        let mut count = 0;
        for stream in STREAMS {
            for consumer in inspect::consumers(&self.nats, *stream).await? {
                count += consumer.unacknowledged;
            }
        }
        Ok(count)
    }

    /// Returns whose goods are not on sale again, and orders that do not know
    /// that the money for theirs went back.
    async fn unfinished_returns(&self) -> anyhow::Result<i64> {
        let owing = count(
            &self.order,
            "SELECT count(*) FROM orders WHERE owed_minor > 0",
        )
        .await?;
        let to_restock = count(
            &self.order,
            "SELECT count(DISTINCT return_id) FROM order_return_lines WHERE restock",
        )
        .await?;
        let restocked = count(&self.catalog, "SELECT count(*) FROM stock_returns").await?;
        Ok(owing + (to_restock - restocked).max(0))
    }

    /// All of the books.
    ///
    /// # Errors
    /// When a server is away, or a table is not as it was.
    pub async fn read(&self) -> anyhow::Result<Snapshot> {
        let mut snapshot = Snapshot {
            orders: self.orders().await.context("the orders")?,
            returns: self.returns().await.context("the returns")?,
            mails: self.mails().context("the mails")?,
            ..Snapshot::default()
        };
        self.read_catalog(&mut snapshot)
            .await
            .context("the stock")?;
        self.read_payments(&mut snapshot)
            .await
            .context("the payments")?;
        self.read_deliveries(&mut snapshot)
            .await
            .context("the deliveries")?;
        for (service, database) in self.databases() {
            read_events_of(service, database, &mut snapshot)
                .await
                .with_context(|| format!("the events of {service}"))?;
        }
        for stream in STREAMS.iter().filter(|stream| **stream != DEAD_LETTERS) {
            let consumers = inspect::consumers(&self.nats, *stream).await?;
            snapshot.consumers.extend(consumers);
            let events = inspect::events(&self.nats, *stream).await?;
            snapshot.events.extend(events);
        }
        snapshot.dead =
            dead_letter::list(&self.nats, &Filter::default(), DEAD_LETTERS_READ).await?;
        Ok(snapshot)
    }

    async fn orders(&self) -> anyhow::Result<Vec<Order>> {
        let mut orders: Vec<Order> = sqlx::query_as(
            "SELECT o.id, o.request_id, o.account_id, o.status, o.currency, o.total_minor, o.refunded,
                    o.refunded_minor, o.owed_minor, o.created_at AS placed_at,
                    (SELECT min(c.changed_at) FROM order_changes c
                     WHERE c.account_id = o.account_id AND c.order_id = o.id
                       AND c.status = 'confirmed') AS confirmed_at
             FROM orders o ORDER BY o.id",
        )
        .fetch_all(&self.order)
        .await?;
        let mut lines = lines_of(
            &self.order,
            "SELECT order_id, product_id, quantity::bigint FROM order_lines",
        )
        .await?;
        let mut returned = lines_of(
            &self.order,
            "SELECT order_id, product_id, returned_quantity::bigint FROM order_lines
             WHERE returned_quantity > 0",
        )
        .await?;
        for order in &mut orders {
            order.lines = lines.remove(&order.id).unwrap_or_default();
            order.returned = returned.remove(&order.id).unwrap_or_default();
        }
        Ok(orders)
    }

    async fn returns(&self) -> anyhow::Result<Vec<Return>> {
        let rows: Vec<(Uuid, Uuid, Uuid, i64)> =
            sqlx::query_as("SELECT id, order_id, request_id, refund_minor FROM order_returns")
                .fetch_all(&self.order)
                .await?;
        let mut lines = lines_of(
            &self.order,
            "SELECT return_id, product_id, quantity::bigint FROM order_return_lines",
        )
        .await?;
        let mut restocked = lines_of(
            &self.order,
            "SELECT return_id, product_id, quantity::bigint FROM order_return_lines
             WHERE restock",
        )
        .await?;
        let returned = |(id, order_id, request_id, refund_minor)| Return {
            id,
            order_id,
            request_id,
            refund_minor,
            lines: lines.remove(&id).unwrap_or_default(),
            restocked: restocked.remove(&id).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(returned).collect())
    }

    async fn read_catalog(&self, snapshot: &mut Snapshot) -> anyhow::Result<()> {
        let rows: Vec<(Uuid, i64, i64)> =
            sqlx::query_as("SELECT product_id, on_hand, reserved FROM stock")
                .fetch_all(&self.catalog)
                .await?;
        let stock = |(product_id, on_hand, reserved)| Stock {
            product_id,
            on_hand,
            reserved,
        };
        snapshot.stock = rows.into_iter().map(stock).collect();
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(
            "SELECT product_id, sum(delta)::bigint FROM stock_adjustments GROUP BY product_id",
        )
        .fetch_all(&self.catalog)
        .await?;
        snapshot.adjusted = rows.into_iter().collect();
        let rows: Vec<(Uuid, String)> = sqlx::query_as("SELECT order_id, status FROM reservations")
            .fetch_all(&self.catalog)
            .await?;
        let mut lines = lines_of(
            &self.catalog,
            "SELECT order_id, product_id, quantity FROM reservation_lines",
        )
        .await?;
        let reservation = |(order_id, status)| Reservation {
            order_id,
            status,
            lines: lines.remove(&order_id).unwrap_or_default(),
        };
        snapshot.reservations = rows.into_iter().map(reservation).collect();
        let rows: Vec<(Uuid, Uuid)> =
            sqlx::query_as("SELECT return_id, order_id FROM stock_returns")
                .fetch_all(&self.catalog)
                .await?;
        let mut lines = lines_of(
            &self.catalog,
            "SELECT return_id, product_id, quantity FROM stock_return_lines",
        )
        .await?;
        let restock = |(return_id, order_id)| Restock {
            return_id,
            order_id,
            lines: lines.remove(&return_id).unwrap_or_default(),
        };
        snapshot.restocks = rows.into_iter().map(restock).collect();
        Ok(())
    }

    async fn read_payments(&self, snapshot: &mut Snapshot) -> anyhow::Result<()> {
        let rows: Vec<(Uuid, Uuid, i64, i64)> =
            sqlx::query_as("SELECT id, order_id, captured_minor, refunded_minor FROM payments")
                .fetch_all(&self.payment)
                .await?;
        let payment = |(id, order_id, captured_minor, refunded_minor)| Payment {
            id,
            order_id,
            captured_minor,
            refunded_minor,
        };
        snapshot.payments = rows.into_iter().map(payment).collect();
        snapshot.refunds = refunds(
            &self.payment,
            "SELECT id, payment_id, amount_minor, return_id FROM refunds WHERE status = 'refunded'",
        )
        .await?;
        snapshot.given_back = refunds(
            &self.payment,
            "SELECT refund_id, payment_id, amount_minor, NULL::uuid FROM sandbox.refunds",
        )
        .await?;
        let rows: Vec<(Uuid, String, i64, i64, bool)> = sqlx::query_as(
            "SELECT payment_id, currency, amount_minor, fee_minor, decline_reason IS NULL
             FROM sandbox.charges",
        )
        .fetch_all(&self.payment)
        .await?;
        let charge = |(payment_id, currency, amount_minor, fee_minor, captured)| Charge {
            payment_id,
            currency,
            amount_minor,
            fee_minor,
            captured,
        };
        snapshot.charges = rows.into_iter().map(charge).collect();
        let rows: Vec<(Uuid, Uuid, String, String, i64)> = sqlx::query_as(
            "SELECT transaction_id, order_id, account, currency, amount_minor
             FROM ledger_entries",
        )
        .fetch_all(&self.payment)
        .await?;
        let entry = |(transaction_id, order_id, account, currency, amount_minor)| Entry {
            transaction_id,
            order_id,
            account,
            currency,
            amount_minor,
        };
        snapshot.entries = rows.into_iter().map(entry).collect();
        Ok(())
    }

    async fn read_deliveries(&self, snapshot: &mut Snapshot) -> anyhow::Result<()> {
        let rows: Vec<(Uuid, String, Option<Uuid>, String)> =
            sqlx::query_as("SELECT id, template, order_id, status FROM deliveries")
                .fetch_all(&self.notify)
                .await?;
        let delivery = |(id, template, order_id, status)| Delivery {
            id,
            template,
            order_id,
            status,
        };
        snapshot.deliveries = rows.into_iter().map(delivery).collect();
        Ok(())
    }

    fn mails(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for file in std::fs::read_dir(&self.mail_dir)? {
            let name = file?.file_name().to_string_lossy().into_owned();
            // What is half written has another ending.
            if let Some(id) = name.strip_suffix(".eml") {
                names.insert(id.to_owned());
            }
        }
        Ok(names)
    }
}

fn pool(stack: &Stack, process: Process) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = stack
        .database_url(process)?
        .parse()
        // The error would show the address, and with it a password.
        .map_err(|_| anyhow::anyhow!("the address of {process}'s database"))?;
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT_WITHIN)
        .connect_lazy_with(options))
}

async fn count(database: &PgPool, question: &'static str) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar(question).fetch_one(database).await?)
}

/// Pieces by product, by order or return.
async fn lines_of(
    database: &PgPool,
    question: &'static str,
) -> anyhow::Result<BTreeMap<Uuid, BTreeMap<Uuid, i64>>> {
    let rows: Vec<(Uuid, Uuid, i64)> = sqlx::query_as(question).fetch_all(database).await?;
    let mut all: BTreeMap<Uuid, BTreeMap<Uuid, i64>> = BTreeMap::new();
    for (id, product_id, quantity) in rows {
        *all.entry(id).or_default().entry(product_id).or_default() += quantity;
    }
    Ok(all)
}

async fn refunds(database: &PgPool, question: &'static str) -> anyhow::Result<Vec<Refund>> {
    let rows: Vec<(Uuid, Uuid, i64, Option<Uuid>)> =
        sqlx::query_as(question).fetch_all(database).await?;
    let refund = |(id, payment_id, amount_minor, return_id)| Refund {
        id,
        payment_id,
        amount_minor,
        return_id,
    };
    Ok(rows.into_iter().map(refund).collect())
}

/// What a service has still to announce, and what it has heard.
async fn read_events_of(
    service: &str,
    database: &PgPool,
    snapshot: &mut Snapshot,
) -> anyhow::Result<()> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, subject FROM outbox")
        .fetch_all(database)
        .await?;
    let waiting = rows
        .into_iter()
        .map(|(id, subject)| format!("{service}: {subject} {id}"));
    snapshot.outbox.extend(waiting);
    let rows: Vec<(String, Uuid)> = sqlx::query_as("SELECT consumer, event_id FROM inbox")
        .fetch_all(database)
        .await?;
    let claims = rows
        .into_iter()
        .map(|(consumer, event_id)| Claim { consumer, event_id });
    snapshot.claims.extend(claims);
    Ok(())
}
