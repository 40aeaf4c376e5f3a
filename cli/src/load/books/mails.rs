//! Who bought is told, once.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Finding;
use super::snapshot::{Delivery, Snapshot};

/// What tells of a confirmed order.
const CONFIRMATION: &str = "order_confirmed";
/// What tells of a cancelled order.
const CANCELLATION: &str = "order_cancelled";

/// One confirmation for each order that was ever confirmed, and none for
/// others. Who is told of the cancellation first is not told any more that the
/// order was confirmed.
pub(super) fn confirmations(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("confirmations", "one confirmation for each confirmed order");
    let mut by_order: BTreeMap<Option<Uuid>, Vec<&Delivery>> = BTreeMap::new();
    for delivery in snapshot
        .deliveries
        .iter()
        .filter(|delivery| delivery.template == CONFIRMATION)
    {
        by_order
            .entry(delivery.order_id)
            .or_default()
            .push(delivery);
    }
    let cancelled: BTreeSet<Uuid> = snapshot
        .deliveries
        .iter()
        .filter(|delivery| delivery.template == CANCELLATION)
        .filter_map(|delivery| delivery.order_id)
        .collect();
    for order in &snapshot.orders {
        finding.looked_at(1);
        let told = by_order.remove(&Some(order.id)).unwrap_or_default();
        let expected = usize::from(order.confirmed_at.is_some());
        let overtaken = told.is_empty() && cancelled.contains(&order.id);
        finding.demand(told.len() == expected || overtaken, || {
            format!(
                "order {}: {} confirmations, not {expected}",
                order.id,
                told.len()
            )
        });
        for delivery in told.iter().filter(|delivery| delivery.status != "sent") {
            finding.offence(format!(
                "order {}: confirmation {} is {}",
                order.id, delivery.id, delivery.status
            ));
        }
    }
    for delivery in by_order.values().flatten() {
        finding.offence(format!("confirmation {} is of no order", delivery.id));
    }
    finding
}

/// What was sent lies in the folder of mails, and nothing else does.
pub(super) fn files(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("mails", "what was sent are the mails that are there");
    let sent: BTreeSet<String> = snapshot
        .deliveries
        .iter()
        .filter(|delivery| delivery.status == "sent")
        .map(|delivery| delivery.id.to_string())
        .collect();
    finding.looked_at(sent.len());
    for lost in sent.difference(&snapshot.mails) {
        finding.offence(format!("delivery {lost} is sent, and there is no mail"));
    }
    for stray in snapshot.mails.difference(&sent) {
        finding.offence(format!(
            "there is a mail of delivery {stray}, which was not sent"
        ));
    }
    finding
}
