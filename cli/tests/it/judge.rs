//! The judge on a real shop: content with what is right, and naming what was
//! planted. Needs the built services.

use souk::load::books::{self, Finding};
use souk::load::{self, Driven, Options, Shop};
use souk::stack::Process;
use sqlx::PgPool;
use tempfile::TempDir;
use uuid::Uuid;

async fn change(database: &PgPool, statement: &'static str) {
    sqlx::raw_sql(statement).execute(database).await.unwrap();
}

/// The one id that a statement returns.
async fn id(database: &PgPool, statement: &'static str) -> Uuid {
    sqlx::query_scalar(statement)
        .fetch_one(database)
        .await
        .unwrap()
}

struct Judged {
    shop: Shop,
    driven: Driven,
    _dir: TempDir,
}

impl Judged {
    /// The check names the id. When all was right it named nothing.
    async fn names(&self, check: &str, id: Uuid) {
        let findings = self.audit().await;
        let finding = findings.iter().find(|finding| finding.check == check);
        let offences = &finding.unwrap().offences;
        assert!(
            offences
                .iter()
                .any(|offence| offence.contains(&id.to_string())),
            "{check} does not name {id}: {offences:?}"
        );
    }

    async fn audit(&self) -> Vec<Finding> {
        let snapshot = self.shop.sources.read().await.unwrap();
        books::audit(&snapshot, &self.driven.record)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_judge_is_content_with_what_is_right_and_names_what_was_planted() {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let dir = TempDir::new().unwrap();
    let options = Options::for_tests(dir.path());
    let shop = Shop::open(&options).await.unwrap();
    let driven = load::drive(&shop, &options).await.unwrap();
    let report = load::settle_and_audit(&shop, &options, &driven)
        .await
        .unwrap();
    assert!(report.holds(), "{report}");
    assert!(report.requests.answered > 20, "{report}");
    for step in [
        "list", "get", "search", "cart", "place", "confirm", "ship", "return",
    ] {
        let count = report.steps.iter().find(|count| count.step == step);
        assert!(
            count.is_some_and(|count| count.count > 0),
            "{step}: {report}"
        );
    }
    // What is planted must not be tidied up.
    for process in Process::SERVICES {
        shop.stack.kill(process).await.unwrap();
    }
    let judged = Judged {
        shop,
        driven,
        _dir: dir,
    };
    let (order, catalog, payment, notify) = {
        let sources = &judged.shop.sources;
        (
            sources.order.clone(),
            sources.catalog.clone(),
            sources.payment.clone(),
            sources.notify.clone(),
        )
    };

    let untold = id(
        &notify,
        "DELETE FROM deliveries WHERE id = (SELECT id FROM deliveries
         WHERE template = 'order_confirmed' ORDER BY id LIMIT 1) RETURNING order_id",
    )
    .await;
    judged.names("confirmations", untold).await;

    let stray = id(
        &payment,
        "INSERT INTO sandbox.charges (payment_id, currency, amount_minor, create_time)
         VALUES (gen_random_uuid(), 'USD', 4200, now()) RETURNING payment_id",
    )
    .await;
    judged.names("captured-once", stray).await;

    let dearer = id(
        &payment,
        "UPDATE sandbox.charges SET fee_minor = fee_minor + 1 FROM payments
         WHERE payments.id = payment_id AND payment_id =
             (SELECT id FROM payments WHERE captured_minor > 0 ORDER BY id LIMIT 1)
         RETURNING order_id",
    )
    .await;
    judged.names("ledger-fees", dearer).await;

    let promised = id(
        &catalog,
        "UPDATE stock SET reserved = 3 WHERE product_id =
         (SELECT product_id FROM stock ORDER BY product_id LIMIT 1) RETURNING product_id",
    )
    .await;
    judged.names("stock-bounds", promised).await;

    let grown = id(
        &catalog,
        "UPDATE stock SET on_hand = on_hand + 1 WHERE product_id =
         (SELECT product_id FROM stock ORDER BY product_id LIMIT 1) RETURNING product_id",
    )
    .await;
    judged.names("stock-on-hand", grown).await;

    let unpaid = id(
        &order,
        "UPDATE orders SET refunded_minor = refunded_minor - 1, refunded = false WHERE id =
         (SELECT order_id FROM order_returns ORDER BY id LIMIT 1) RETURNING id",
    )
    .await;
    judged.names("return-refunds", unpaid).await;

    let unasked = id(
        &order,
        "UPDATE order_returns SET request_id = gen_random_uuid() WHERE id =
         (SELECT id FROM order_returns ORDER BY id LIMIT 1) RETURNING id",
    )
    .await;
    judged.names("returned", unasked).await;

    let stray = id(
        &catalog,
        "INSERT INTO stock_returns (return_id, order_id, create_time)
         VALUES (gen_random_uuid(), gen_random_uuid(), now()) RETURNING return_id",
    )
    .await;
    judged.names("restocked", stray).await;

    let revived = id(
        &order,
        "UPDATE orders SET status = 'confirmed', cancel_reason = NULL, refunded = false,
             refunded_minor = 0, paid = true, payment_id = coalesce(payment_id, gen_random_uuid())
         WHERE id = (SELECT id FROM orders WHERE cancel_reason = 'CUSTOMER_CANCELLED'
                     ORDER BY id LIMIT 1) RETURNING id",
    )
    .await;
    judged.names("called-off", revived).await;

    let more = id(
        &order,
        "UPDATE order_lines SET quantity = quantity + 1000 WHERE (order_id, position) =
         (SELECT id, 0 FROM orders WHERE cart_id IS NOT NULL ORDER BY id LIMIT 1)
         RETURNING order_id",
    )
    .await;
    for check in ["answered", "asked-for", "carts"] {
        judged.names(check, more).await;
    }

    let unclaimed = id(
        &catalog,
        "DELETE FROM inbox WHERE (consumer, event_id) IN (SELECT consumer, event_id FROM inbox
         WHERE consumer = 'catalog-order-placed' LIMIT 1) RETURNING event_id",
    )
    .await;
    judged.names("claimed-once", unclaimed).await;

    let waiting = id(
        &order,
        "INSERT INTO outbox (id, subject, type, aggregate_id, payload, create_time)
         VALUES (gen_random_uuid(), 'souk.order.placed.v1', 'souk.event.v1.OrderPlaced', '', '', now())
         RETURNING id",
    )
    .await;
    judged.names("outbox", waiting).await;

    change(&payment, "ALTER TABLE ledger_entries DISABLE TRIGGER ALL").await;
    let unbalanced = id(
        &payment,
        "UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE (transaction_id, position)
         = (SELECT transaction_id, min(position) FROM ledger_entries GROUP BY 1 LIMIT 1)
         RETURNING transaction_id",
    )
    .await;
    judged.names("ledger-balanced", unbalanced).await;

    let lost = id(
        &order,
        "DELETE FROM orders WHERE id = (SELECT id FROM orders WHERE status = 'confirmed' LIMIT 1)
         RETURNING id",
    )
    .await;
    judged.names("answered", lost).await;

    let mail = std::fs::read_dir(judged.shop.stack.mail_dir())
        .unwrap()
        .find_map(|file| {
            let path = file.unwrap().path();
            let id: Uuid = path.file_stem()?.to_str()?.parse().ok()?;
            std::fs::remove_file(&path).unwrap();
            Some(id)
        });
    judged.names("mails", mail.unwrap()).await;
    judged.shop.stack.end_all();
}
