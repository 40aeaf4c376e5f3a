//! What there is of a product.

use super::{PRODUCT, SOLD, named};

#[test]
fn what_is_still_reserved_is_named() {
    named(
        |books, _| books.stock[0].reserved = 2,
        &["stock-bounds"],
        &PRODUCT.to_string(),
    );
}

#[test]
fn a_piece_too_many_on_hand_is_named() {
    named(
        |books, _| books.stock[0].on_hand += 1,
        &["stock-on-hand"],
        &PRODUCT.to_string(),
    );
}

#[test]
fn a_sold_order_without_stock_is_named() {
    named(
        |books, _| books.reservations[0].status = "expired".to_owned(),
        &["reservations"],
        &SOLD.to_string(),
    );
}

#[test]
fn more_sold_than_there_was_is_named() {
    named(
        |books, record| {
            record.products[0].stock = 0;
            books.stock[0].on_hand = -2;
        },
        &["stock-bounds", "hot-stock"],
        &PRODUCT.to_string(),
    );
}
