//! What was confirmed, and the mails of it.

use uuid::Uuid;

use super::{SOLD, delivery_of, named};
use crate::load::books::snapshot::Delivery;

#[test]
fn a_confirmation_that_is_missing_is_named() {
    named(
        |books, _| {
            books.deliveries.remove(0);
            books.mails.remove(&delivery_of(SOLD).to_string());
        },
        &["confirmations"],
        &SOLD.to_string(),
    );
}

#[test]
fn a_second_confirmation_is_named() {
    named(
        |books, _| {
            let second = Delivery {
                id: Uuid::from_u128(0xbad),
                ..books.deliveries[0].clone()
            };
            books.mails.insert(second.id.to_string());
            books.deliveries.push(second);
        },
        &["confirmations"],
        &SOLD.to_string(),
    );
}

#[test]
fn a_mail_that_is_not_there_is_named() {
    named(
        |books, _| {
            books.mails.remove(&delivery_of(SOLD).to_string());
        },
        &["mails"],
        &delivery_of(SOLD).to_string(),
    );
}
