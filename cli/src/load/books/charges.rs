//! What the provider has taken and given back, from its own records.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Finding;
use super::snapshot::{Charge, Order, Payment, Refund, Snapshot};

/// Every sold order was charged once, exactly what it costs; and nothing was
/// charged that was not ordered.
pub(super) fn captured_once(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new(
        "captured-once",
        "every sold order was charged once, its total",
    );
    let payments = payments(snapshot);
    let orders: BTreeMap<Uuid, &Order> = snapshot
        .orders
        .iter()
        .map(|order| (order.id, order))
        .collect();
    let mut by_order: BTreeMap<Uuid, Vec<&Charge>> = BTreeMap::new();
    for charge in snapshot.charges.iter().filter(|charge| charge.captured) {
        let order = payments
            .get(&charge.payment_id)
            .and_then(|payment| orders.get(&payment.order_id));
        match order {
            Some(order) => by_order.entry(order.id).or_default().push(charge),
            None => finding.offence(format!(
                "the provider took {} {} for payment {}, which is of no order",
                charge.currency, charge.amount_minor, charge.payment_id
            )),
        }
    }
    for order in snapshot.orders.iter().filter(|order| order.is_sold()) {
        finding.looked_at(1);
        let charges = by_order.get(&order.id).map_or(&[][..], Vec::as_slice);
        match charges {
            [charge] => finding.demand(
                charge.amount_minor == order.total_minor && charge.currency == order.currency,
                || {
                    format!(
                        "order {} costs {} {}, the provider took {} {}",
                        order.id,
                        order.currency,
                        order.total_minor,
                        charge.currency,
                        charge.amount_minor
                    )
                },
            ),
            several => finding.offence(format!(
                "order {} is {} and was charged {} times",
                order.id,
                order.status,
                several.len()
            )),
        }
    }
    finding
}

/// What was charged for a cancelled order was given back, all of it.
pub(super) fn given_back(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("given-back", "cancelled orders cost nothing");
    let payments: BTreeMap<Uuid, &Payment> = snapshot
        .payments
        .iter()
        .map(|payment| (payment.order_id, payment))
        .collect();
    let taken = taken(snapshot);
    let given = given(snapshot);
    for order in snapshot.orders.iter().filter(|order| order.is_cancelled()) {
        finding.looked_at(1);
        let payment = payments.get(&order.id).map(|payment| payment.id);
        let of = |amounts: &BTreeMap<Uuid, i64>| {
            payment
                .and_then(|payment| amounts.get(&payment).copied())
                .unwrap_or(0)
        };
        let (taken, given) = (of(&taken), of(&given));
        finding.demand(taken == given, || {
            format!(
                "order {} is cancelled, {taken} were taken and {given} given back",
                order.id
            )
        });
        finding.demand(order.refunded_minor == given, || {
            format!(
                "order {} is cancelled, {given} were given back, it says {}",
                order.id, order.refunded_minor
            )
        });
        finding.demand(order.refunded == (taken > 0), || {
            format!(
                "order {} says refunded: {}, and {taken} were taken",
                order.id, order.refunded
            )
        });
    }
    finding
}

/// For each return its refund was given, once; and nothing else was given back
/// for orders that are not cancelled.
pub(super) fn return_refunds(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new(
        "return-refunds",
        "each return was paid back once, and nothing else",
    );
    let payments: BTreeMap<Uuid, Uuid> = snapshot
        .payments
        .iter()
        .map(|payment| (payment.order_id, payment.id))
        .collect();
    let mut by_return: BTreeMap<Uuid, Vec<&Refund>> = BTreeMap::new();
    for refund in &snapshot.refunds {
        if let Some(return_id) = refund.return_id {
            by_return.entry(return_id).or_default().push(refund);
        }
    }
    let mut promised: BTreeMap<Uuid, i64> = BTreeMap::new();
    for returned in &snapshot.returns {
        finding.looked_at(1);
        let order = returned.order_id;
        *promised.entry(order).or_default() += returned.refund_minor;
        let refunds = by_return.remove(&returned.id).unwrap_or_default();
        let amounts: Vec<i64> = refunds.iter().map(|refund| refund.amount_minor).collect();
        let expected = Some(returned.refund_minor).filter(|minor| *minor > 0);
        finding.demand(amounts == Vec::from_iter(expected), || {
            format!(
                "return {} of order {order} promises {}, refunded were {amounts:?}",
                returned.id, returned.refund_minor
            )
        });
        for refund in refunds {
            finding.demand(payments.get(&order) == Some(&refund.payment_id), || {
                format!(
                    "refund {} for return {} of order {order} is of payment {}, not its own",
                    refund.id, returned.id, refund.payment_id
                )
            });
        }
    }
    for refund in by_return.values().flatten() {
        finding.offence(format!("refund {} is for no return", refund.id));
    }
    let given = given(snapshot);
    for order in snapshot.orders.iter().filter(|order| !order.is_cancelled()) {
        let promised = promised.remove(&order.id).unwrap_or(0);
        let payment = payments.get(&order.id);
        let given = payment.and_then(|id| given.get(id)).copied().unwrap_or(0);
        finding.demand(given == promised, || {
            format!(
                "order {} is {}, its returns promise {promised}, the provider gave {given}",
                order.id, order.status
            )
        });
        finding.demand(
            order.refunded_minor == given && order.owed_minor == 0,
            || {
                format!(
                    "order {}: the provider gave {given}, the order says {} and owes {}",
                    order.id, order.refunded_minor, order.owed_minor
                )
            },
        );
        finding.demand(order.refunded == (given == order.total_minor), || {
            format!(
                "order {} says refunded: {}, and {given} of {} went back",
                order.id, order.refunded, order.total_minor
            )
        });
    }
    finding
}

/// svc-payment knows what the provider did, neither less nor more.
pub(super) fn refunds(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("payments-agree", "payments, refunds and the provider agree");
    let taken = taken(snapshot);
    let given = given(snapshot);
    let mut refunded: BTreeMap<Uuid, i64> = BTreeMap::new();
    for refund in &snapshot.refunds {
        *refunded.entry(refund.payment_id).or_default() += refund.amount_minor;
    }
    for payment in &snapshot.payments {
        finding.looked_at(1);
        let of = |amounts: &BTreeMap<Uuid, i64>| amounts.get(&payment.id).copied().unwrap_or(0);
        finding.demand(payment.captured_minor == of(&taken), || {
            format!(
                "payment {} of order {}: captured {}, the provider took {}",
                payment.id,
                payment.order_id,
                payment.captured_minor,
                of(&taken)
            )
        });
        finding.demand(
            payment.refunded_minor == of(&given) && of(&refunded) == of(&given),
            || {
                format!(
                    "payment {} of order {}: refunded {}, by refunds {}, the provider gave {}",
                    payment.id,
                    payment.order_id,
                    payment.refunded_minor,
                    of(&refunded),
                    of(&given)
                )
            },
        );
    }
    let known = payments(snapshot);
    for refund in &snapshot.given_back {
        finding.demand(known.contains_key(&refund.payment_id), || {
            format!(
                "refund {} is of no payment {}",
                refund.id, refund.payment_id
            )
        });
    }
    finding
}

fn payments(snapshot: &Snapshot) -> BTreeMap<Uuid, &Payment> {
    snapshot
        .payments
        .iter()
        .map(|payment| (payment.id, payment))
        .collect()
}

/// What the provider took, by payment.
pub(super) fn taken(snapshot: &Snapshot) -> BTreeMap<Uuid, i64> {
    let mut taken = BTreeMap::new();
    for charge in snapshot.charges.iter().filter(|charge| charge.captured) {
        *taken.entry(charge.payment_id).or_default() += charge.amount_minor;
    }
    taken
}

/// What the provider keeps of what it took, by payment. It does not come back
/// with a refund.
pub(super) fn kept(snapshot: &Snapshot) -> BTreeMap<Uuid, i64> {
    let mut kept = BTreeMap::new();
    for charge in snapshot.charges.iter().filter(|charge| charge.captured) {
        *kept.entry(charge.payment_id).or_default() += charge.fee_minor;
    }
    kept
}

/// What the provider gave back, by payment.
pub(super) fn given(snapshot: &Snapshot) -> BTreeMap<Uuid, i64> {
    let mut given = BTreeMap::new();
    for refund in &snapshot.given_back {
        *given.entry(refund.payment_id).or_default() += refund.amount_minor;
    }
    given
}
