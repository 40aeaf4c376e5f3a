//! No event is lost, none is handled twice, and none was given up.

use std::collections::{BTreeMap, BTreeSet};

use proto::events::Event as _;
use proto::souk::event::v1::{
    OrderCancelled, OrderConfirmed, OrderPlaced, OrderReturned, OrderShipped, PaymentCaptured,
    PaymentRefunded,
};
use uuid::Uuid;

use super::Finding;
use super::snapshot::Snapshot;

/// Consumers that may give up an event in a run, and with what reason. There is
/// none: whoever adds one says here why a customer is not harmed.
const EXPECTED_DEAD: [(&str, &str); 0] = [];

/// All is announced.
pub(super) fn outbox(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("outbox", "every event was published");
    finding.looked_at(snapshot.events.len());
    for waiting in &snapshot.outbox {
        finding.offence(format!("not published: {waiting}"));
    }
    finding
}

/// All is heard.
pub(super) fn processed(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("processed", "every consumer is at the end of its stream");
    for consumer in &snapshot.consumers {
        finding.looked_at(1);
        let (pending, unacknowledged) = (consumer.pending, consumer.unacknowledged);
        finding.demand(pending == 0 && unacknowledged == 0, || {
            format!(
                "{}: {pending} pending, {unacknowledged} not acknowledged",
                consumer.name
            )
        });
    }
    finding
}

/// Each event was claimed once by each of its consumers, and nothing else was.
pub(super) fn claimed(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("claimed-once", "every consumer claimed every event once");
    let mut claims: BTreeMap<&str, BTreeMap<Uuid, u32>> = BTreeMap::new();
    for claim in &snapshot.claims {
        *claims
            .entry(&claim.consumer)
            .or_default()
            .entry(claim.event_id)
            .or_default() += 1;
    }
    let dead: BTreeSet<(&str, Option<Uuid>)> = snapshot
        .dead
        .iter()
        .map(|dead| (&*dead.consumer, dead.event_id))
        .collect();
    let nothing = BTreeMap::new();
    for consumer in &snapshot.consumers {
        let name = &*consumer.name;
        let claimed = claims.remove(name);
        let claimed = claimed.as_ref().unwrap_or(&nothing);
        let published: BTreeSet<Uuid> = snapshot
            .events
            .iter()
            .filter(|event| event.subject == consumer.subject)
            .filter(|event| {
                event
                    .replay_for
                    .as_deref()
                    .is_none_or(|meant| meant == name)
            })
            .filter_map(|event| event.event_id)
            .collect();
        finding.looked_at(published.len());
        for event in &published {
            let times = claimed.get(event).copied().unwrap_or(0);
            let given_up = dead.contains(&(name, Some(*event)));
            finding.demand(times == 1 || (times == 0 && given_up), || {
                format!(
                    "{name} claimed event {event} ({}) {times} times",
                    consumer.subject
                )
            });
        }
        for event in claimed.keys().filter(|event| !published.contains(event)) {
            finding.offence(format!("{name} claimed event {event}, which no stream has"));
        }
    }
    for (consumer, events) in claims {
        finding.offence(format!(
            "{consumer} claimed {} events and is no consumer",
            events.len()
        ));
    }
    finding
}

/// What became of each order was announced.
pub(super) fn announced(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("announced", "what became of each order was announced");
    let announced: BTreeSet<(&str, &str)> = snapshot
        .events
        .iter()
        .map(|event| (&*event.subject, &*event.aggregate_id))
        .collect();
    let mut demand = |subject: &'static str, order: Uuid| {
        finding.looked_at(1);
        finding.demand(announced.contains(&(subject, &*order.to_string())), || {
            format!("order {order}: no {subject}")
        });
    };
    for order in &snapshot.orders {
        demand(OrderPlaced::SUBJECT, order.id);
        if order.confirmed_at.is_some() {
            demand(OrderConfirmed::SUBJECT, order.id);
        }
        if order.is_cancelled() {
            demand(OrderCancelled::SUBJECT, order.id);
        }
        if order.is_shipped() {
            demand(OrderShipped::SUBJECT, order.id);
        }
    }
    for returned in &snapshot.returns {
        demand(OrderReturned::SUBJECT, returned.order_id);
    }
    for payment in &snapshot.payments {
        if payment.captured_minor > 0 {
            demand(PaymentCaptured::SUBJECT, payment.order_id);
        }
        if payment.refunded_minor > 0 {
            demand(PaymentRefunded::SUBJECT, payment.order_id);
        }
    }
    finding
}

/// Nothing was given up.
pub(super) fn dead(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("dead-letters", "no event was given up");
    finding.looked_at(snapshot.events.len());
    for dead in &snapshot.dead {
        let expected = EXPECTED_DEAD
            .iter()
            .any(|(consumer, reason)| dead.consumer == *consumer && dead.reason == *reason);
        finding.demand(expected, || {
            let reason = match &*dead.reason {
                "" => "without a reason",
                reason => reason,
            };
            format!(
                "dead letter {}: {} gave up {} of {}: {reason}",
                dead.sequence, dead.consumer, dead.subject, dead.aggregate_id
            )
        });
    }
    finding
}
