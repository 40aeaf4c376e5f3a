//! What was asked for, and what was in carts.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{PRODUCT, SOLD, named};
use crate::load::record::End;

#[test]
fn an_order_of_something_else_than_asked_for_is_named() {
    let other = Uuid::from_u128(0xbad);
    for lines in [
        BTreeMap::from([(PRODUCT, 2)]),
        BTreeMap::from([(other, 1)]),
        BTreeMap::from([(PRODUCT, 1), (other, 1)]),
    ] {
        named(
            |_, record| record.asked[0].lines = lines,
            &["asked-for"],
            &SOLD.to_string(),
        );
    }
}

#[test]
fn an_order_of_something_else_is_named_though_its_answer_got_lost() {
    named(
        |_, record| {
            record.asked[0].end = End::Unknown {
                last: "DEADLINE".to_owned(),
            };
            record.asked[0].lines.clear();
        },
        &["asked-for"],
        &SOLD.to_string(),
    );
}

#[test]
fn an_order_in_anothers_name_is_named() {
    named(
        |books, _| books.orders[0].account_id = Uuid::from_u128(0xbad),
        &["asked-for"],
        &SOLD.to_string(),
    );
}

#[test]
fn what_was_ordered_twice_of_one_cart_is_named() {
    named(
        |_, record| record.asked[0].of_cart = true,
        &["carts"],
        &SOLD.to_string(),
    );
}

#[test]
fn what_an_earlier_wish_has_left_in_a_cart_may_be_ordered() {
    named(
        |_, record| {
            record.asked[0].of_cart = true;
            record.asked[3].put_in_cart = BTreeMap::from([(PRODUCT, 1)]);
        },
        &[],
        "",
    );
}

#[test]
fn what_somebody_else_has_put_in_a_cart_counts_nothing() {
    named(
        |_, record| {
            record.asked[0].of_cart = true;
            record.asked[3].account_id = Uuid::from_u128(0xbad);
            record.asked[3].put_in_cart = BTreeMap::from([(PRODUCT, 1)]);
        },
        &["carts"],
        &SOLD.to_string(),
    );
}
