//! What was charged, and given back of it.

use uuid::Uuid;

use super::{CANCELLED, SOLD, named, payment_of};
use crate::load::books::snapshot::Charge;

#[test]
fn a_charge_that_is_missing_is_named() {
    named(
        |books, _| books.charges[0].captured = false,
        &[
            "captured-once",
            "payments-agree",
            "ledger-cash",
            "ledger-fees",
        ],
        &SOLD.to_string(),
    );
}

#[test]
fn a_charge_of_no_order_is_named() {
    let stray = Uuid::from_u128(0xbad);
    named(
        |books, _| {
            books.charges.push(Charge {
                payment_id: stray,
                ..books.charges[0].clone()
            });
        },
        &["captured-once"],
        &stray.to_string(),
    );
}

#[test]
fn a_cancelled_order_whose_money_was_kept_is_named() {
    named(
        |books, _| {
            let payment = payment_of(CANCELLED);
            books
                .given_back
                .retain(|refund| refund.payment_id != payment);
        },
        &["called-off", "given-back", "payments-agree", "ledger-cash"],
        &CANCELLED.to_string(),
    );
}

#[test]
fn a_cancelled_order_that_does_not_know_what_went_back_is_named() {
    named(
        |books, _| books.orders[1].refunded_minor = 0,
        &["given-back"],
        &CANCELLED.to_string(),
    );
}
