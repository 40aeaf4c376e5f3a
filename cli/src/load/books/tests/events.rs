//! What was announced, heard and given up.

use proto::events::Event as _;
use proto::souk::event::v1::{OrderPlaced, OrderReturned, OrderShipped, PaymentRefunded};
use svc_kit::nats::inspect::Stored;
use uuid::Uuid;

use super::{CANCELLED, RETURNED, SOLD, named};
use crate::load::books::snapshot::Snapshot;

#[test]
fn an_event_that_was_not_published_is_named() {
    named(
        |books, _| books.outbox.push(format!("svc-order: {SOLD}")),
        &["outbox"],
        &SOLD.to_string(),
    );
}

#[test]
fn a_consumer_that_is_behind_is_named() {
    named(
        |books, _| books.consumers[0].pending = 1,
        &["processed"],
        "hears-souk.order.placed.v1",
    );
}

#[test]
fn a_claim_that_is_missing_is_named() {
    named(
        |books, _| {
            books.claims.remove(0);
        },
        &["claimed-once"],
        "hears-souk.order.placed.v1",
    );
}

#[test]
fn a_claim_of_what_never_was_is_named() {
    named(
        |books, _| books.claims[0].event_id = Uuid::from_u128(0xbad),
        &["claimed-once"],
        "which no stream has",
    );
}

#[test]
fn an_event_for_another_consumer_need_not_be_claimed() {
    named(
        |books, _| {
            books.events.push(Stored {
                sequence: 999,
                event_id: Some(Uuid::from_u128(0xbad)),
                replay_for: Some("somebody-else".to_owned()),
                ..books.events[0].clone()
            });
        },
        &[],
        "",
    );
}

/// As if an event of an order had never been published.
fn silence(books: &mut Snapshot, subject: &str, order: Uuid) {
    let order = order.to_string();
    let is_it = |event: &Stored| event.subject == subject && event.aggregate_id == order;
    let gone: Vec<Option<Uuid>> = books
        .events
        .iter()
        .filter(|event| is_it(event))
        .map(|event| event.event_id)
        .collect();
    assert_eq!(gone.len(), 1, "{subject} of {order}");
    books.events.retain(|event| !is_it(event));
    books
        .claims
        .retain(|claim| !gone.contains(&Some(claim.event_id)));
}

#[test]
fn a_refund_that_was_not_announced_is_named() {
    named(
        |books, _| silence(books, PaymentRefunded::SUBJECT, CANCELLED),
        &["announced"],
        &CANCELLED.to_string(),
    );
}

#[test]
fn a_shipment_and_a_return_that_were_not_announced_are_named() {
    for subject in [OrderShipped::SUBJECT, OrderReturned::SUBJECT] {
        named(
            |books, _| silence(books, subject, RETURNED),
            &["announced"],
            subject,
        );
    }
}

#[test]
fn what_was_given_up_is_named_and_not_claimed_twice_over() {
    named(
        |books, _| {
            let claim = books.claims.remove(0);
            books.dead.push(svc_kit::dead_letter::DeadLetter {
                sequence: 1,
                time: books.orders[0].placed_at,
                consumer: claim.consumer,
                reason: "no such order".to_owned(),
                attempts: 1,
                subject: OrderPlaced::SUBJECT.to_owned(),
                event_id: Some(claim.event_id),
                event_type: OrderPlaced::TYPE.to_owned(),
                event_time: None,
                aggregate_id: SOLD.to_string(),
                trace_parent: None,
                payload: Vec::new().into(),
            });
        },
        &["dead-letters"],
        &SOLD.to_string(),
    );
}
