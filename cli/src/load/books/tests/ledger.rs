//! What was booked.

use uuid::Uuid;

use super::{FEE, PART, RETURNED, SOLD, named};
use crate::load::books::snapshot::{Entry, Snapshot};

#[test]
fn a_refund_that_was_booked_at_another_amount_is_named() {
    named(
        |books, _| {
            for entry in &mut books.entries {
                if entry.order_id == RETURNED && entry.amount_minor.abs() == PART {
                    entry.amount_minor *= 2;
                }
            }
        },
        &["ledger-cash", "ledger-sales"],
        &RETURNED.to_string(),
    );
}

#[test]
fn a_transaction_that_does_not_balance_is_named() {
    named(
        |books, _| {
            let first = &mut books.entries[0];
            assert_eq!(first.account, "customer_receivable");
            first.amount_minor += 1;
        },
        &["ledger-balanced"],
        &SOLD.to_string(),
    );
}

#[test]
fn a_capture_that_was_not_booked_is_named() {
    named(
        |books, _| books.entries.retain(|entry| entry.order_id != SOLD),
        &["ledger-cash", "ledger-fees", "ledger-sales"],
        &SOLD.to_string(),
    );
}

/// What was booked as the fee of an order.
fn fee_of(books: &mut Snapshot, order: Uuid) -> impl Iterator<Item = &mut Entry> {
    let is_it =
        move |entry: &&mut Entry| entry.order_id == order && entry.amount_minor.abs() == FEE;
    books.entries.iter_mut().filter(is_it)
}

#[test]
fn a_fee_that_was_booked_at_another_amount_is_named() {
    named(
        |books, _| fee_of(books, SOLD).for_each(|entry| entry.amount_minor *= 2),
        &["ledger-cash", "ledger-fees"],
        &SOLD.to_string(),
    );
}

#[test]
fn a_fee_that_was_booked_as_something_else_is_named() {
    named(
        |books, _| {
            fee_of(books, SOLD)
                .filter(|entry| entry.account == "fees")
                .for_each(|entry| entry.account = "late_fees".to_owned());
        },
        &["ledger-fees"],
        &SOLD.to_string(),
    );
}

#[test]
fn a_charge_of_which_the_provider_keeps_nothing_is_no_offence() {
    named(
        |books, _| {
            books.charges[0].fee_minor = 0;
            books
                .entries
                .retain(|entry| entry.order_id != SOLD || entry.amount_minor.abs() != FEE);
        },
        &[],
        "",
    );
}
