//! What was answered.

use std::collections::BTreeMap;

use super::{CANCELLED, PRODUCT, REFUSED_REQUEST, SOLD, TOTAL, books, named, request_of};
use crate::load::books::answers::answered;
use crate::load::record::End;

#[test]
fn a_lost_order_is_named() {
    named(
        |books, _| books.orders.retain(|order| order.id != SOLD),
        &[
            "answered",
            "stock-on-hand",
            "reservations",
            "captured-once",
            "confirmations",
        ],
        "",
    );
    let (mut snapshot, record) = books();
    snapshot.orders.retain(|order| order.id != SOLD);
    let finding = answered(&snapshot, &record);
    assert!(finding.offences[0].contains(&SOLD.to_string()));
}

#[test]
fn an_order_that_costs_something_else_than_answered_is_named() {
    named(
        |_, record| {
            record.asked[0].end = End::Answered {
                order_id: SOLD,
                currency: "USD".to_owned(),
                total_minor: TOTAL + 1,
                lines: BTreeMap::from([(PRODUCT, 1)]),
            };
        },
        &["answered"],
        &SOLD.to_string(),
    );
}

#[test]
fn an_order_of_something_else_than_answered_is_named() {
    named(
        |_, record| {
            record.asked[0].end = End::Answered {
                order_id: SOLD,
                currency: "USD".to_owned(),
                total_minor: TOTAL,
                lines: BTreeMap::from([(PRODUCT, 2)]),
            };
        },
        &["answered"],
        &SOLD.to_string(),
    );
}

#[test]
fn two_orders_of_one_request_are_named() {
    named(
        |books, _| books.orders[1].request_id = request_of(SOLD),
        &["answered", "once"],
        &CANCELLED.to_string(),
    );
}

#[test]
fn an_order_nobody_asked_for_is_named() {
    named(
        |_, record| {
            record.asked.remove(0);
        },
        &["once"],
        &SOLD.to_string(),
    );
}

#[test]
fn a_repeat_with_another_answer_is_named() {
    named(
        |_, record| record.asked[0].other_answers.push(CANCELLED),
        &["once"],
        &CANCELLED.to_string(),
    );
}

#[test]
fn an_order_that_was_refused_is_named() {
    named(
        |books, record| {
            books.orders[0].request_id = REFUSED_REQUEST;
            record.asked.remove(0);
        },
        &["refused"],
        &SOLD.to_string(),
    );
}

#[test]
fn an_order_that_was_called_off_and_stands_is_named() {
    named(
        |_, record| record.asked[0].called_off = true,
        &["called-off"],
        &SOLD.to_string(),
    );
}

#[test]
fn an_order_that_the_shop_called_off_by_itself_is_no_offence() {
    named(|_, record| record.asked[1].called_off = false, &[], "");
}
