//! Stock, counted from the orders and not from what svc-catalog believes.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Finding;
use super::snapshot::{Order, Reservation, Snapshot};
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

/// What is left is what there was, less what was sold. The load sends nothing
/// back.
pub(super) fn on_hand(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new("stock-on-hand", "on hand = at first + adjusted - sold");
    let sold = sold(snapshot);
    let on_hand: BTreeMap<Uuid, i64> = snapshot
        .stock
        .iter()
        .map(|stock| (stock.product_id, stock.on_hand))
        .collect();
    for product in &record.products {
        finding.looked_at(1);
        let of = |counts: &BTreeMap<Uuid, i64>| counts.get(&product.id).copied().unwrap_or(0);
        let (adjusted, sold, is) = (of(&snapshot.adjusted), of(&sold), of(&on_hand));
        let expected = product.stock + adjusted - sold;
        finding.demand(is == expected, || {
            format!(
                "product {}: {is} on hand, and {} + {adjusted} - {sold} = {expected}",
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

/// Of the product that many want, no more was sold than there was.
pub(super) fn hot(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new("hot-stock", "no more was sold than there was");
    let sold = sold(snapshot);
    for product in &record.products {
        finding.looked_at(1);
        let sold = sold.get(&product.id).copied().unwrap_or(0);
        let adjusted = snapshot.adjusted.get(&product.id).copied().unwrap_or(0);
        finding.demand(sold <= product.stock + adjusted, || {
            let orders: Vec<String> = snapshot
                .orders
                .iter()
                .filter(|order| order.is_sold() && order.lines.contains_key(&product.id))
                .map(|order| order.id.to_string())
                .collect();
            format!(
                "product {}: {sold} sold of {}, by orders {}",
                product.id,
                product.stock + adjusted,
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
