//! What a consumer gave up is listed, shown and replayed; on real servers, by
//! the kit's own consumer loop.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::events::{Event as _, stream_of};
use proto::souk::event::v1::{AccountRegistered, OrderPlaced};
use serde_json::Value;
use souk::stack::{Ports, Progress, Servers, ServersOptions};
use sqlx::PgConnection;
use svc_kit::clock::Clock;
use svc_kit::consumer::{ConsumeError, Consumer, Consumers};
use svc_kit::db::{Db, DbConfig};
use svc_kit::dead_letter::{self, Filter};
use svc_kit::nats::{Nats, NatsConfig, inspect};
use svc_kit::{Shutdown, outbox};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// Refuses until it is mended, and notes what it has handled.
struct OrderBook {
    mended: Arc<AtomicBool>,
    handled: Arc<Mutex<Vec<String>>>,
}

impl Consumer for OrderBook {
    type Event = OrderPlaced;
    const NAME: &'static str = "test-order-book";

    async fn handle(&self, _: &mut PgConnection, event: OrderPlaced) -> Result<(), ConsumeError> {
        if !self.mended.load(Ordering::SeqCst) {
            return Err(ConsumeError::reject("the book is closed"));
        }
        self.handled.lock().unwrap().push(event.order_id);
        Ok(())
    }
}

/// Never accepts anybody.
struct Bouncer;

impl Consumer for Bouncer {
    type Event = AccountRegistered;
    const NAME: &'static str = "test-bouncer";

    async fn handle(&self, _: &mut PgConnection, _: AccountRegistered) -> Result<(), ConsumeError> {
        Err(ConsumeError::reject("not with these shoes"))
    }
}

/// Servers, and a service with two consumers that have given up three events.
struct Trouble {
    servers: Servers,
    nats: Nats,
    db: Db,
    mended: Arc<AtomicBool>,
    handled: Arc<Mutex<Vec<String>>>,
    shutdown: Shutdown,
    consuming: tokio::task::JoinHandle<anyhow::Result<()>>,
    dir: TempDir,
}

impl Trouble {
    async fn make() -> Self {
        let dir = TempDir::new().unwrap();
        let servers = Servers::start(ServersOptions {
            dir: dir.path().join("up"),
            ports: Ports::Free,
            keep_data: false,
            durable: false,
            nats_password: true,
            progress: Progress::silent(),
        })
        .await
        .unwrap();
        let db = Db::connect(&DbConfig {
            url: servers.database_url("postgres").into(),
            reader_url: None,
            max_connections: 8,
            acquire_timeout_ms: 30_000,
        })
        .await
        .unwrap();
        outbox::MIGRATIONS.run(db.writer()).await.unwrap();
        let nats = Nats::connect(&NatsConfig::new(servers.nats_url()))
            .await
            .unwrap();
        let (mended, handled) = (Arc::default(), Arc::default());
        let shutdown = Shutdown::new();
        let consumers = Consumers::new(db.clone(), nats.clone())
            .add(OrderBook {
                mended: Arc::clone(&mended),
                handled: Arc::clone(&handled),
            })
            .add(Bouncer);
        let consuming = tokio::spawn(consumers.run(shutdown.clone()));
        let trouble = Self {
            servers,
            nats,
            db,
            mended,
            handled,
            shutdown,
            consuming,
            dir,
        };
        trouble.announce(&placed("order-1")).await;
        trouble.announce(&placed("order-2")).await;
        trouble
            .announce(&AccountRegistered {
                account_id: "account-1".to_owned(),
                email: "ada@example.org".to_owned(),
                display_name: "Ada".to_owned(),
            })
            .await;
        until("three dead letters", async || trouble.list(&[]).len() == 3).await;
        trouble
    }

    async fn announce<E: proto::events::Event>(&self, event: &E) {
        let clock = Clock::system();
        let mut tx = self.db.begin().await.unwrap();
        outbox::put(&mut tx, event, &clock).await.unwrap();
        tx.commit().await.unwrap();
        let relay = outbox::Relay::new(self.db.clone(), self.nats.clone(), clock);
        assert_eq!(relay.step().await.unwrap(), 1);
    }

    fn events(&self, arguments: &[&str]) -> Output {
        let (action, rest) = arguments.split_first().unwrap();
        Command::new(env!("CARGO_BIN_EXE_souk"))
            .args(["events", action, "--nats-url", &self.servers.nats_url()])
            .args(rest)
            .output()
            .unwrap()
    }

    fn list(&self, filters: &[&str]) -> Vec<Value> {
        let output = self.events(&[&["list", "--json"], filters].concat());
        assert!(output.status.success(), "{output:?}");
        text(&output)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn handled(&self) -> Vec<String> {
        let mut handled = self.handled.lock().unwrap().clone();
        handled.sort();
        handled
    }

    /// Waits until the consumers have nothing before them.
    async fn at_rest(&self) {
        let orders = stream_of(OrderPlaced::SUBJECT).unwrap();
        until("all is heard", async || {
            let consumers = inspect::consumers(&self.nats, orders).await.unwrap();
            assert_eq!(consumers.len(), 1, "{consumers:?}");
            consumers[0].pending + consumers[0].unacknowledged == 0
        })
        .await;
    }

    async fn end(self) {
        self.shutdown.stop();
        self.consuming.await.unwrap().unwrap();
        self.servers.shut_down().await;
    }
}

fn placed(order_id: &str) -> OrderPlaced {
    OrderPlaced {
        order_id: order_id.to_owned(),
        ..OrderPlaced::default()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn event_count(trouble: &Trouble) -> usize {
    let orders = stream_of(OrderPlaced::SUBJECT).unwrap();
    inspect::events(&trouble.nats, orders).await.unwrap().len()
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "in vain: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_listed_by_what_is_known_of_it() {
    let trouble = Trouble::make().await;

    let orders = trouble.list(&["--subject", OrderPlaced::SUBJECT]);
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0]["consumer"], OrderBook::NAME);
    assert_eq!(orders[0]["reason"], "the book is closed");
    assert_eq!(orders[0]["attempts"], 1);
    assert_eq!(trouble.list(&["--aggregate", "order-2"]).len(), 1);
    assert_eq!(trouble.list(&["--consumer", Bouncer::NAME]).len(), 1);
    assert_eq!(trouble.list(&["--since", "10m"]).len(), 3);
    assert_eq!(trouble.list(&["--until", "10m"]).len(), 0);
    assert_eq!(trouble.list(&["--limit", "2"]).len(), 2);
    let table = text(&trouble.events(&["list"]));
    assert!(table.starts_with("SEQUENCE"), "{table}");
    assert!(table.contains("not with these shoes"), "{table}");

    // Without an address, that of the local stack.
    let found = Command::new(env!("CARGO_BIN_EXE_souk"))
        .args(["events", "list", "--json", "--dir"])
        .arg(trouble.dir.path().join("up"))
        .output()
        .unwrap();
    assert_eq!(text(&found).lines().count(), 3, "{found:?}");
    trouble.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_shown_without_what_is_personal() {
    let trouble = Trouble::make().await;
    let sequence = trouble.list(&["--consumer", Bouncer::NAME])[0]["sequence"].to_string();

    let shown = text(&trouble.events(&["show", &sequence]));

    let shown_json: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown_json["payload"]["account_id"], "account-1");
    assert_eq!(shown_json["event_type"], AccountRegistered::TYPE);
    assert!(
        !shown.contains("ada@example.org") && !shown.contains("Ada"),
        "{shown}"
    );
    let missing = trouble.events(&["show", "999999"]);
    assert_eq!(missing.status.code(), Some(1));
    trouble.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_consumer_handles_a_replayed_event_once_however_often_it_is_replayed() {
    let trouble = Trouble::make().await;
    let one = ["--aggregate", "order-1"];
    let filter = Filter {
        aggregate_id: Some("order-1".to_owned()),
        ..Filter::default()
    };
    let before = dead_letter::list(&trouble.nats, &filter, 10).await.unwrap();
    trouble.mended.store(true, Ordering::SeqCst);

    // Nothing happens unless it was meant.
    assert_eq!(trouble.events(&["replay", "--yes"]).status.code(), Some(2));
    assert_eq!(trouble.events(&["replay", "--all"]).status.code(), Some(2));
    let dry = trouble.events(&["replay", "--all", "--dry-run"]);
    assert!(text(&dry).contains("3 would be replayed"), "{dry:?}");
    assert_eq!(trouble.list(&[]).len(), 3);

    let replayed = trouble.events(&[&["replay", "--yes"], &one[..]].concat());
    assert!(replayed.status.success(), "{replayed:?}");
    assert!(
        text(&replayed).ends_with("1 replayed, 0 failed\n"),
        "{replayed:?}"
    );
    until("it is handled", async || trouble.handled() == ["order-1"]).await;
    assert_eq!(trouble.list(&one).len(), 0);
    // The other order is still where it was.
    assert_eq!(trouble.list(&[]).len(), 2);

    // Somebody else had it on the list too. Under another number, so that
    // JetStream does not know it as a repeat and delivers it again.
    let mut again = before[0].clone();
    again.sequence += 1_000;
    let published = event_count(&trouble).await;
    let _gone_already = dead_letter::replay(&trouble.nats, &again).await;
    assert_eq!(event_count(&trouble).await, published + 1);
    let rest = trouble.events(&["replay", "--yes", "--subject", OrderPlaced::SUBJECT]);
    assert!(rest.status.success(), "{rest:?}");
    until("the other is handled", async || {
        trouble.handled().contains(&"order-2".to_owned())
    })
    .await;
    trouble.at_rest().await;
    assert_eq!(trouble.handled(), ["order-1", "order-2"], "each once");
    trouble.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_fails_again_is_a_dead_letter_again() {
    let trouble = Trouble::make().await;
    let first = trouble.list(&["--consumer", Bouncer::NAME])[0]["sequence"].clone();

    let replayed = trouble.events(&["replay", "--yes", "--consumer", Bouncer::NAME]);

    assert!(replayed.status.success(), "{replayed:?}");
    until("it is given up again", async || {
        let now = trouble.list(&["--consumer", Bouncer::NAME]);
        now.len() == 1 && now[0]["sequence"] != first
    })
    .await;
    trouble.end().await;
}

#[test]
fn a_nats_that_is_away_is_one_clear_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_souk"))
        .args([
            "events",
            "list",
            "--nats-url",
            "nats://souk:hunter2@127.0.0.1:1",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("no NATS answers") && !said.contains("hunter2"),
        "{said}"
    );
}
