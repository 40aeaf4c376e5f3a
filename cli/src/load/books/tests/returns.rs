//! What came back, and the money that goes with it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{PART, PRODUCT, RETURN, RETURNED, SOLD, named, payment_of, refund};
use crate::load::books::snapshot::{Restock, Return};
use crate::load::record::{AskedReturn, ReturnAnswer};

#[test]
fn a_return_that_is_lost_is_named() {
    named(
        |_, record| {
            record.returns[0].answers.push(ReturnAnswer {
                return_id: Uuid::from_u128(0xbad),
                refund_minor: PART,
            });
        },
        &["returned"],
        &Uuid::from_u128(0xbad).to_string(),
    );
}

#[test]
fn a_return_that_promises_something_else_than_answered_is_named() {
    named(
        |_, record| record.returns[0].answers[0].refund_minor += 1,
        &["returned"],
        &RETURN.to_string(),
    );
}

#[test]
fn two_returns_of_one_request_are_named() {
    let second = Uuid::from_u128(0xbad);
    named(
        |books, _| {
            let nothing = Return {
                id: second,
                refund_minor: 0,
                lines: BTreeMap::new(),
                restocked: BTreeMap::new(),
                ..books.returns[0].clone()
            };
            books.returns.push(nothing);
        },
        &["returned"],
        &second.to_string(),
    );
}

#[test]
fn a_return_of_something_else_than_asked_for_is_named() {
    for change in [
        |asked: &mut AskedReturn| asked.restocked = false,
        |asked: &mut AskedReturn| asked.order_id = SOLD,
        |asked: &mut AskedReturn| *asked.pieces.get_mut(&PRODUCT).unwrap() += 1,
    ] {
        named(
            |_, record| change(&mut record.returns[0]),
            &["returned"],
            &RETURN.to_string(),
        );
    }
}

#[test]
fn a_return_nobody_asked_for_is_named() {
    named(
        |_, record| record.returns.clear(),
        &["returned"],
        &RETURN.to_string(),
    );
}

#[test]
fn a_return_whose_goods_are_not_on_hand_is_named() {
    named(
        |books, _| books.stock[0].on_hand -= 1,
        &["stock-on-hand"],
        &PRODUCT.to_string(),
    );
}

#[test]
fn a_return_that_was_not_restocked_is_named() {
    named(
        |books, _| books.restocks.clear(),
        &["restocked"],
        &RETURN.to_string(),
    );
}

#[test]
fn a_return_of_which_too_much_was_restocked_is_named() {
    named(
        |books, _| *books.restocks[0].lines.get_mut(&PRODUCT).unwrap() += 1,
        &["restocked"],
        &RETURN.to_string(),
    );
}

#[test]
fn what_was_restocked_for_no_return_is_named() {
    let stray = Uuid::from_u128(0xbad);
    named(
        |books, _| {
            books.restocks.push(Restock {
                return_id: stray,
                ..books.restocks[0].clone()
            });
        },
        &["restocked"],
        &stray.to_string(),
    );
}

#[test]
fn an_order_that_does_not_know_what_came_back_is_named() {
    named(
        |books, _| books.orders[2].returned.clear(),
        &["restocked"],
        &RETURNED.to_string(),
    );
}

#[test]
fn a_return_that_was_paid_back_twice_is_named() {
    named(
        |books, _| {
            refund(books, RETURNED, 4, PART, Some(RETURN));
            books.payments[2].refunded_minor += PART;
            books.orders[2].refunded_minor += PART;
            books.orders[2].refunded = true;
        },
        &["return-refunds"],
        &RETURN.to_string(),
    );
}

#[test]
fn a_return_that_was_not_paid_back_is_named() {
    named(
        |books, _| {
            let payment = payment_of(RETURNED);
            books.refunds.retain(|refund| refund.payment_id != payment);
            books
                .given_back
                .retain(|refund| refund.payment_id != payment);
            books
                .entries
                .retain(|entry| entry.order_id != RETURNED || entry.amount_minor.abs() != PART);
            books.payments[2].refunded_minor = 0;
            books.orders[2].refunded_minor = 0;
            books.orders[2].owed_minor = PART;
        },
        &["return-refunds"],
        &RETURN.to_string(),
    );
}

#[test]
fn a_refund_without_a_return_is_named() {
    named(
        |books, _| {
            refund(books, SOLD, 3, PART, None);
            books.payments[0].refunded_minor = PART;
            books.orders[0].refunded_minor = PART;
        },
        &["return-refunds"],
        &SOLD.to_string(),
    );
}

#[test]
fn an_order_that_does_not_know_of_its_refund_is_named() {
    named(
        |books, _| {
            books.orders[2].refunded_minor = 0;
            books.orders[2].owed_minor = PART;
        },
        &["return-refunds"],
        &RETURNED.to_string(),
    );
}
