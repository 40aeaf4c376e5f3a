//! What customers were told is what is in the books.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::snapshot::{Order, Return, Snapshot};
use super::{Finding, charges};
use crate::load::record::{AskedReturn, End, Record};

/// Every answered order exists, as it was answered.
pub(super) fn answered(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new(
        "answered",
        "every answered order exists, as it was answered",
    );
    let orders = by_id(snapshot);
    for asked in &record.asked {
        let End::Answered {
            order_id,
            currency,
            total_minor,
            lines,
        } = &asked.end
        else {
            continue;
        };
        finding.looked_at(1);
        let request = asked.request_id;
        match orders.get(order_id) {
            None => finding.offence(format!("order {order_id} is lost (request {request})")),
            Some(order) => {
                finding.demand(order.request_id == request, || {
                    format!("order {order_id} answered request {request}, and belongs to another")
                });
                finding.demand(
                    order.total_minor == *total_minor && order.currency == *currency,
                    || {
                        format!(
                            "order {order_id} costs {} {}, answered was {currency} {total_minor}",
                            order.currency, order.total_minor
                        )
                    },
                );
                finding.demand(order.lines == *lines, || {
                    format!(
                        "order {order_id} has {:?}, answered were {lines:?}",
                        order.lines
                    )
                });
            }
        }
    }
    finding
}

/// One order for each request id, and none that nobody asked for.
pub(super) fn once(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new("once", "one request is one order, and nothing else is");
    let asked: BTreeSet<Uuid> = record.asked.iter().map(|asked| asked.request_id).collect();
    let mut by_request: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for order in &snapshot.orders {
        by_request
            .entry(order.request_id)
            .or_default()
            .push(order.id);
    }
    for (request, orders) in &by_request {
        finding.looked_at(1);
        finding.demand(orders.len() == 1, || {
            format!(
                "request {request} is {} orders: {}",
                orders.len(),
                list(orders)
            )
        });
        finding.demand(asked.contains(request), || {
            format!(
                "nobody asked for order {} (request {request})",
                list(orders)
            )
        });
    }
    for asked in &record.asked {
        finding.demand(asked.other_answers.is_empty(), || {
            format!(
                "request {} was {}, and then answered with {}",
                asked.request_id,
                asked.end,
                list(&asked.other_answers)
            )
        });
    }
    finding
}

/// No order of a request that was refused.
pub(super) fn refused(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new("refused", "what was refused was not ordered");
    let orders: BTreeMap<Uuid, Uuid> = snapshot
        .orders
        .iter()
        .map(|order| (order.request_id, order.id))
        .collect();
    for asked in &record.asked {
        if let End::Refused { reason } = &asked.end {
            finding.looked_at(1);
            if let Some(order) = orders.get(&asked.request_id) {
                finding.offence(format!(
                    "order {order} was refused with {reason} (request {})",
                    asked.request_id
                ));
            }
        }
    }
    finding
}

/// An answered cancellation promises that the order is cancelled from then on,
/// and that what was or is still taken for it goes back.
pub(super) fn called_off(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new(
        "called-off",
        "what was called off is cancelled and cost nothing",
    );
    let orders = by_id(snapshot);
    let (taken, given) = (charges::taken(snapshot), charges::given(snapshot));
    let mut cost: BTreeMap<Uuid, i64> = BTreeMap::new();
    for payment in &snapshot.payments {
        let of = |amounts: &BTreeMap<Uuid, i64>| amounts.get(&payment.id).copied().unwrap_or(0);
        *cost.entry(payment.order_id).or_default() += of(&taken) - of(&given);
    }
    let called_off = record.asked.iter().filter(|asked| asked.called_off);
    for id in called_off.filter_map(|asked| asked.end.order_id()) {
        finding.looked_at(1);
        let order = orders.get(&id);
        let status = order.map_or("lost", |order| &order.status);
        let cost = cost.get(&id).copied().unwrap_or(0);
        finding.demand(status == "cancelled" && cost == 0, || {
            format!("order {id} was called off; it is {status} and cost {cost}")
        });
    }
    finding
}

/// Every answered return exists, as it was asked for and answered; one for each
/// request id, and none that nobody asked for.
pub(super) fn returned(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new(
        "returned",
        "one request is one return, as it was asked for and answered",
    );
    let mut by_request: BTreeMap<Uuid, Vec<&Return>> = BTreeMap::new();
    for returned in &snapshot.returns {
        by_request
            .entry(returned.request_id)
            .or_default()
            .push(returned);
    }
    for asked in &record.returns {
        finding.looked_at(1);
        let (request, order) = (asked.request_id, asked.order_id);
        let found = by_request.remove(&request).unwrap_or_default();
        finding.demand(found.len() <= 1, || {
            let ids: Vec<Uuid> = found.iter().map(|returned| returned.id).collect();
            format!("request {request} is {} returns: {}", ids.len(), list(&ids))
        });
        for answer in &asked.answers {
            let is_there = found.iter().any(|returned| {
                (returned.id, returned.refund_minor) == (answer.return_id, answer.refund_minor)
            });
            finding.demand(is_there, || {
                format!(
                    "return {} of order {order} is not there with {} to give back (request \
                     {request})",
                    answer.return_id, answer.refund_minor
                )
            });
        }
        for returned in found {
            finding.demand(is_as_asked(returned, asked), || {
                format!(
                    "return {} of order {} is not what was asked for of {order} (request {request})",
                    returned.id, returned.order_id
                )
            });
        }
    }
    for returned in by_request.values().flatten() {
        finding.offence(format!(
            "nobody asked for return {} of order {}",
            returned.id, returned.order_id
        ));
    }
    finding
}

fn by_id(snapshot: &Snapshot) -> BTreeMap<Uuid, &Order> {
    snapshot
        .orders
        .iter()
        .map(|order| (order.id, order))
        .collect()
}

fn is_as_asked(returned: &Return, asked: &AskedReturn) -> bool {
    let restocked = if asked.restocked {
        asked.pieces.clone()
    } else {
        BTreeMap::new()
    };
    returned.order_id == asked.order_id
        && returned.lines == asked.pieces
        && returned.restocked == restocked
}

fn list(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(", ")
}
