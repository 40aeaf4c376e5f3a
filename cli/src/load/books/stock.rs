//! Stock, counted from the orders and not from what svc-catalog believes.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Finding;
use super::snapshot::{Order, Reservation, Restock, Snapshot};
use crate::load::record::Record;

/// What is promised is there, and nothing is promised any more.
pub(super) fn bounds(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new(
        "stock-bounds",
        "0 <= reserved <= on hand, and none is reserved",
    );
    for stock in &snapshot.stock {
        finding.looked_at(1);
        let (on_hand, reserved) = (stock.on_hand, stock.reserved);
        finding.demand(reserved == 0 && on_hand >= 0, || {
            format!(
                "product {}: {reserved} reserved of {on_hand}",
                stock.product_id
            )
        });
    }
    finding
}

/// What is left is what there was, less what was sold, and what came back of it
/// and went on sale again.
pub(super) fn on_hand(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new(
        "stock-on-hand",
        "on hand = at first + adjusted - sold + returned",
    );
    let (sold, returned) = (sold(snapshot), restocked(snapshot));
    let on_hand: BTreeMap<Uuid, i64> = snapshot
        .stock
        .iter()
        .map(|stock| (stock.product_id, stock.on_hand))
        .collect();
    for product in &record.products {
        finding.looked_at(1);
        let of = |counts: &BTreeMap<Uuid, i64>| counts.get(&product.id).copied().unwrap_or(0);
        let (adjusted, sold, returned) = (of(&snapshot.adjusted), of(&sold), of(&returned));
        let is = of(&on_hand);
        let expected = product.stock + adjusted - sold + returned;
        finding.demand(is == expected, || {
            format!(
                "product {}: {is} on hand, and {} + {adjusted} - {sold} + {returned} = {expected}",
                product.id, product.stock
            )
        });
    }
    finding
}

/// The reservations say the same as the orders.
pub(super) fn reservations(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("reservations", "reservations and orders agree");
    let by_order: BTreeMap<Uuid, &Reservation> = snapshot
        .reservations
        .iter()
        .map(|reservation| (reservation.order_id, reservation))
        .collect();
    let orders: BTreeMap<Uuid, &Order> = snapshot
        .orders
        .iter()
        .map(|order| (order.id, order))
        .collect();
    for order in &snapshot.orders {
        finding.looked_at(1);
        let reservation = by_order.get(&order.id);
        let status = reservation.map_or("missing", |reservation| &reservation.status);
        if order.is_sold() {
            finding.demand(status == "committed", || {
                format!(
                    "order {} is {}, its stock is {status}",
                    order.id, order.status
                )
            });
            finding.demand(
                reservation.is_none_or(|reservation| reservation.lines == order.lines),
                || format!("order {} took other pieces than it has", order.id),
            );
        } else if order.is_cancelled() {
            finding.demand(
                matches!(status, "released" | "rejected" | "expired"),
                || format!("order {} is cancelled, its stock is {status}", order.id),
            );
        }
    }
    for reservation in &snapshot.reservations {
        finding.demand(orders.contains_key(&reservation.order_id), || {
            format!(
                "stock is {} for no order {}",
                reservation.status, reservation.order_id
            )
        });
    }
    finding
}

/// What orders say came back is what their returns say, and svc-catalog has put
/// of each return on sale again what it should, once.
pub(super) fn returns(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("restocked", "returns, orders and the restocked agree");
    let mut by_order: BTreeMap<Uuid, BTreeMap<Uuid, i64>> = BTreeMap::new();
    let mut restocks: BTreeMap<Uuid, &Restock> = snapshot
        .restocks
        .iter()
        .map(|restock| (restock.return_id, restock))
        .collect();
    for returned in &snapshot.returns {
        finding.looked_at(1);
        let came_back = by_order.entry(returned.order_id).or_default();
        for (product, quantity) in &returned.lines {
            *came_back.entry(*product).or_default() += quantity;
        }
        let restock = restocks.remove(&returned.id);
        let agrees = match restock {
            None => returned.restocked.is_empty(),
            Some(restock) => {
                restock.order_id == returned.order_id && restock.lines == returned.restocked
            }
        };
        finding.demand(agrees, || {
            format!(
                "return {} of order {}: {} pieces are to go on sale again, {} did",
                returned.id,
                returned.order_id,
                pieces(&returned.restocked),
                restock.map_or(0, |restock| pieces(&restock.lines))
            )
        });
    }
    for restock in restocks.values() {
        finding.offence(format!(
            "{} pieces went on sale again for no return {}",
            pieces(&restock.lines),
            restock.return_id
        ));
    }
    for order in &snapshot.orders {
        let came_back = by_order.remove(&order.id).unwrap_or_default();
        finding.demand(order.returned == came_back, || {
            format!(
                "order {}: {} pieces came back, by its returns {}",
                order.id,
                pieces(&order.returned),
                pieces(&came_back)
            )
        });
    }
    finding
}

fn pieces(lines: &BTreeMap<Uuid, i64>) -> i64 {
    lines.values().sum()
}

/// Of the product that many want, no more was sold than there was and came
/// back.
pub(super) fn hot(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new("hot-stock", "no more was sold than there was");
    let (sold, returned) = (sold(snapshot), restocked(snapshot));
    for product in &record.products {
        finding.looked_at(1);
        let of = |counts: &BTreeMap<Uuid, i64>| counts.get(&product.id).copied().unwrap_or(0);
        let sold = of(&sold);
        let there_was = product.stock + of(&snapshot.adjusted) + of(&returned);
        finding.demand(sold <= there_was, || {
            let orders: Vec<String> = snapshot
                .orders
                .iter()
                .filter(|order| order.is_sold() && order.lines.contains_key(&product.id))
                .map(|order| order.id.to_string())
                .collect();
            format!(
                "product {}: {sold} sold of {there_was}, by orders {}",
                product.id,
                orders.join(", ")
            )
        });
    }
    finding
}

fn sold(snapshot: &Snapshot) -> BTreeMap<Uuid, i64> {
    let mut sold = BTreeMap::new();
    for order in snapshot.orders.iter().filter(|order| order.is_sold()) {
        for (product, quantity) in &order.lines {
            *sold.entry(*product).or_default() += quantity;
        }
    }
    sold
}

/// What came back and goes on sale again, as svc-order has it.
fn restocked(snapshot: &Snapshot) -> BTreeMap<Uuid, i64> {
    let mut restocked = BTreeMap::new();
    for returned in &snapshot.returns {
        for (product, quantity) in &returned.restocked {
            *restocked.entry(*product).or_default() += quantity;
        }
    }
    restocked
}
