//! Who bought gets what was asked for, no more and no less.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Finding;
use super::snapshot::Snapshot;
use crate::load::record::{Asked, Record};

/// Every order has the lines that its request asked for, also one whose answer
/// got lost, and belongs to who asked. A cart is asked for at the price of what
/// the shop said was in it: if something else was, there is no order.
pub(super) fn asked_for(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new("asked-for", "each order is what was asked for, by whom");
    let asked = by_request(record);
    for order in &snapshot.orders {
        let Some(asked) = asked.get(&order.request_id) else {
            continue; // which another check names
        };
        finding.looked_at(1);
        finding.demand(order.account_id == asked.account_id, || {
            format!(
                "order {} belongs to {}, it was {} who asked",
                order.id, order.account_id, asked.account_id
            )
        });
        finding.demand(order.lines == asked.lines, || {
            format!(
                "order {} has {:?}, asked for were {:?}",
                order.id, order.lines, asked.lines
            )
        });
    }
    finding
}

/// Whatever was left in a cart, and whatever was answered: of a product no more
/// pieces were ordered out of an account's carts than were put in.
pub(super) fn carts(snapshot: &Snapshot, record: &Record) -> Finding {
    let mut finding = Finding::new("carts", "no more was ordered of a cart than was put in");
    let mut put: BTreeMap<(Uuid, Uuid), i64> = BTreeMap::new();
    for asked in &record.asked {
        for (product, pieces) in &asked.put_in_cart {
            *put.entry((asked.account_id, *product)).or_default() += pieces;
        }
    }
    let asked = by_request(record);
    let mut ordered: BTreeMap<(Uuid, Uuid), (i64, Vec<String>)> = BTreeMap::new();
    for order in &snapshot.orders {
        let of_cart = |asked: &&Asked| asked.of_cart;
        let Some(asked) = asked.get(&order.request_id).copied().filter(of_cart) else {
            continue;
        };
        finding.looked_at(1);
        for (product, pieces) in &order.lines {
            let (sum, orders) = ordered.entry((asked.account_id, *product)).or_default();
            *sum += pieces;
            orders.push(order.id.to_string());
        }
    }
    for (key, (ordered, orders)) in ordered {
        let put = put.get(&key).copied().unwrap_or(0);
        let (account, product) = key;
        finding.demand(ordered <= put, || {
            format!(
                "account {account} put {put} of product {product} into its carts and {ordered} \
                 were ordered, by orders {}",
                orders.join(", ")
            )
        });
    }
    finding
}

fn by_request(record: &Record) -> BTreeMap<Uuid, &Asked> {
    record
        .asked
        .iter()
        .map(|asked| (asked.request_id, asked))
        .collect()
}
