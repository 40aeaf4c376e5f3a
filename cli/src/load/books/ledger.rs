//! The ledger: balanced, and as the provider has it. Accounts are read as they
//! come: a new one changes nothing as long as it balances.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::snapshot::{Entry, Snapshot};
use super::{Finding, charges};

/// What the provider holds for us.
const CASH: &str = "cash_at_provider";
/// What the provider has kept for itself.
const FEES: &str = "fees";
/// What we have sold.
const REVENUE: &str = "revenue";
/// What we have given back.
const REFUNDS: &str = "refunds";

/// Every transaction sums to zero, every order does, and all do.
pub(super) fn balanced(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("ledger-balanced", "the ledger sums to zero, everywhere");
    let sums = |key: &dyn Fn(&Entry) -> Uuid| {
        let mut sums: BTreeMap<(Uuid, &str), i128> = BTreeMap::new();
        for entry in &snapshot.entries {
            *sums.entry((key(entry), &entry.currency)).or_default() +=
                i128::from(entry.amount_minor);
        }
        sums
    };
    let transactions = sums(&|entry| entry.transaction_id);
    finding.looked_at(transactions.len());
    for ((id, currency), sum) in transactions {
        finding.demand(sum == 0, || {
            format!("transaction {id} sums to {currency} {sum}")
        });
    }
    for ((id, currency), sum) in sums(&|entry| entry.order_id) {
        finding.demand(sum == 0, || format!("order {id} sums to {currency} {sum}"));
    }
    for ((_, currency), sum) in sums(&|_| Uuid::nil()) {
        finding.demand(sum == 0, || format!("the ledger sums to {currency} {sum}"));
    }
    finding
}

/// The cash in the ledger is what the provider has taken, less what it has
/// given back and what it keeps.
pub(super) fn cash(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new(
        "ledger-cash",
        "cash at the provider = taken - given back - fees",
    );
    let booked = by_order(snapshot, |entry| entry.account == CASH);
    let (taken, given) = (charges::taken(snapshot), charges::given(snapshot));
    let kept = charges::kept(snapshot);
    let mut held: BTreeMap<Uuid, i64> = BTreeMap::new();
    for payment in &snapshot.payments {
        let of = |amounts: &BTreeMap<Uuid, i64>| amounts.get(&payment.id).copied().unwrap_or(0);
        *held.entry(payment.order_id).or_default() += of(&taken) - of(&given) - of(&kept);
    }
    compare(&mut finding, &booked, &held, "held at the provider");
    finding
}

/// The fees in the ledger are those that the provider keeps.
pub(super) fn fees(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new("ledger-fees", "booked fees = what the provider keeps");
    let booked = by_order(snapshot, |entry| entry.account == FEES);
    let by_payment = charges::kept(snapshot);
    let mut kept: BTreeMap<Uuid, i64> = BTreeMap::new();
    for payment in &snapshot.payments {
        let fee = by_payment.get(&payment.id).copied().unwrap_or(0);
        *kept.entry(payment.order_id).or_default() += fee;
    }
    compare(&mut finding, &booked, &kept, "kept by the provider");
    finding
}

/// The sales in the ledger are what was captured, and its refunds what was
/// refunded.
pub(super) fn sales(snapshot: &Snapshot) -> Finding {
    let mut finding = Finding::new(
        "ledger-sales",
        "booked sales and refunds = those of the payments",
    );
    let mut captured: BTreeMap<Uuid, i64> = BTreeMap::new();
    let mut refunded: BTreeMap<Uuid, i64> = BTreeMap::new();
    for payment in &snapshot.payments {
        // Revenue is a credit, and credits are negative.
        *captured.entry(payment.order_id).or_default() -= payment.captured_minor;
        *refunded.entry(payment.order_id).or_default() += payment.refunded_minor;
    }
    let revenue = by_order(snapshot, |entry| entry.account == REVENUE);
    compare(&mut finding, &revenue, &captured, "sold");
    let refunds = by_order(snapshot, |entry| entry.account == REFUNDS);
    compare(&mut finding, &refunds, &refunded, "refunded");
    finding
}

fn by_order(snapshot: &Snapshot, counts: impl Fn(&Entry) -> bool) -> BTreeMap<Uuid, i64> {
    let mut sums = BTreeMap::new();
    for entry in snapshot.entries.iter().filter(|entry| counts(entry)) {
        *sums.entry(entry.order_id).or_default() += entry.amount_minor;
    }
    sums
}

fn compare(
    finding: &mut Finding,
    booked: &BTreeMap<Uuid, i64>,
    actual: &BTreeMap<Uuid, i64>,
    what: &str,
) {
    finding.looked_at(actual.len());
    let missing = booked.keys().filter(|order| !actual.contains_key(order));
    for order in actual.keys().chain(missing) {
        let of = |amounts: &BTreeMap<Uuid, i64>| amounts.get(order).copied().unwrap_or(0);
        let (booked, actual) = (of(booked), of(actual));
        finding.demand(booked == actual, || {
            format!("order {order}: {booked} booked as {what}, it is {actual}")
        });
    }
}
