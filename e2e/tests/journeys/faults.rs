//! Faults that are switched on, and what they cannot do.

use e2e::{
    journey,
    shop::Shop,
    wait::{self, PATIENCE},
    wire::Protocol,
};
use proto::souk::order::v1::OrderStatus;
use souk::stack::{Process, StackOptions};

use crate::crash_points::{
    books::Books,
    passages::Passages,
    scenario::{Cast, Scenario},
};

/// Everybody does what they do while every event is delivered twice. Returns
/// how often svc-order had an event, how often it handled one, and whether it
/// noted any.
async fn everything_comes_twice(
    change: impl FnOnce(StackOptions) -> StackOptions,
) -> (usize, usize, bool) {
    let dir = tempfile::tempdir().unwrap();
    let passages = Passages::below(dir.path());
    let shop = Shop::open_faulty(|options| {
        let options = options.env("SOUK_FAULT_REDELIVER", "1");
        change(passages.of_all(options))
    })
    .await;
    let books = Books::of(&shop).await;
    let cast = Cast::of(&shop).await;
    let start = passages.mark();
    let mut all_done = Vec::new();
    for scenario in Scenario::ALL {
        let done = cast.plays(scenario).await;
        cast.sees_the_end(&books, scenario, &done).await;
        all_done.push((scenario, done));
    }
    let passed = passages.since(&start).await;
    for (scenario, done) in &all_done {
        cast.sees_the_end(&books, *scenario, done).await;
    }
    let of_order = |point: &str| {
        let point = format!("consumer.{point}/order-");
        let passed = passed.iter().filter(|(_, name)| name.starts_with(&point));
        passed.count()
    };
    (
        of_order("before_transaction"),
        of_order("before_commit"),
        books.has_claims().await,
    )
}

#[test]
fn what_is_delivered_twice_is_handled_once() {
    journey(async {
        let (heard, handled, noted) = everything_comes_twice(|options| options).await;
        assert!(heard > handled, "nothing came twice: {heard} of {handled}");
        assert!(noted);
    });
}

/// The inbox is not all that stands between a second delivery and a second
/// charge: what a use case does, it does once for each order.
#[test]
fn nothing_is_paid_or_sold_twice_even_when_it_is_handled_twice() {
    journey(async {
        let forgetful = |options: StackOptions| options.env("SOUK_FAULT_SKIP_INBOX", "1");
        let (_, _, noted) = everything_comes_twice(forgetful).await;
        assert!(!noted, "svc-order noted what it handled");
    });
}

/// What a judge of the books must notice can be brought about.
#[test]
fn an_event_that_is_lost_leaves_its_order_where_it_is() {
    journey(async {
        let shop =
            Shop::open_faulty(|options| options.env_of(Process::Catalog, "SOUK_FAULT_LOSE", "1"))
                .await;
        let books = Books::of(&shop).await;
        let staff = shop.staff(Protocol::Grpc).await;
        let product = staff.sells("Tent nobody heard of", 5).await;
        let customer = shop.customer(Protocol::Grpc).await;
        let placed = customer.orders_one(&product.id, "tok_ok").await.unwrap();

        wait::eventually("the stock to be reserved", async || {
            (staff.stock(&product.id).await.reserved == 1).then_some(())
        })
        .await;
        wait::until_it_is(PATIENCE, "what waits", &0, async || books.waiting().await).await;
        let order = customer.order(&placed.id).await;
        assert_eq!(order.status(), OrderStatus::Pending);
    });
}

#[test]
fn ordinary_processes_know_nothing_of_faults() {
    journey(async {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join("crash");
        let passages = Passages::below(dir.path());
        let shop = Shop::open_with(|options| {
            passages
                .of_all(options)
                .env("SOUK_FAULT_CRASH_AT", "outbox.after_read")
                .env("SOUK_FAULT_ONCE", marker.to_str().unwrap())
                .env("SOUK_FAULT_SKIP_INBOX", "1")
                .env("SOUK_FAULT_REDELIVER", "1")
        })
        .await;
        let books = Books::of(&shop).await;
        let cast = Cast::of(&shop).await;
        let done = cast.plays(Scenario::Buy).await;
        cast.sees_the_end(&books, Scenario::Buy, &done).await;

        assert!(shop.stack.deaths().is_empty());
        assert!(!marker.exists());
        assert!(passages.known().is_empty());
        assert!(books.has_claims().await, "the inbox is kept");
    });
}

#[test]
fn a_point_that_is_unknown_stops_the_start() {
    journey(async {
        let shop = Shop::open_faulty(|options| options).await;
        let shut = Process::Notify;
        shop.stack.stop(shut).await.unwrap();
        let refused = shop
            .stack
            .start_again_with(shut, &[("SOUK_FAULT_CRASH_AT", "outbox.nowhere")])
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("no point \"outbox.nowhere\""),
            "{refused}"
        );
        // It is no faulty shop by accident.
        shop.stack.start_again(shut).await.unwrap();
        let _ = shop.customer(Protocol::Grpc).await;
    });
}
