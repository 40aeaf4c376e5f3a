//! Books that balance, and what the judge says when one line of them does not.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use proto::events::{EVENTS, Event as _};
use proto::souk::event::v1::{OrderPlaced, OrderReturned, OrderShipped, PaymentRefunded};
use svc_kit::nats::inspect::{ConsumerState, Stored};
use uuid::Uuid;

use super::snapshot::{
    Charge, Claim, Delivery, Entry, Order, Payment, Refund, Reservation, Restock, Return, Snapshot,
    Stock,
};
use super::*;
use crate::load::record::{Asked, AskedReturn, End, Product, ReturnAnswer};

const PRODUCT: Uuid = Uuid::from_u128(1);
const BUYER: Uuid = Uuid::from_u128(2);
const SOLD: Uuid = Uuid::from_u128(0x10);
const CANCELLED: Uuid = Uuid::from_u128(0x20);
const RETURNED: Uuid = Uuid::from_u128(0x30);
const RETURN: Uuid = Uuid::from_u128(0x40);
const RETURN_REQUEST: Uuid = Uuid::from_u128(0x140);
const REFUSED_REQUEST: Uuid = Uuid::from_u128(0x300);
const TOTAL: i64 = 4_250;
/// What the provider keeps of it.
const FEE: i64 = 85;
/// What goes back for the one piece of two that came back.
const PART: i64 = TOTAL / 2;

fn request_of(order: Uuid) -> Uuid {
    Uuid::from_u128(order.as_u128() + 0x100)
}

fn payment_of(order: Uuid) -> Uuid {
    Uuid::from_u128(order.as_u128() + 0x1000)
}

fn delivery_of(order: Uuid) -> Uuid {
    Uuid::from_u128(order.as_u128() + 0x2000)
}

fn entries(order: Uuid, n: u128, debit: &str, credit: &str, minor: i64) -> [Entry; 2] {
    let entry = |account: &str, amount_minor| Entry {
        transaction_id: Uuid::from_u128(order.as_u128() * 0x10_000 + n),
        order_id: order,
        account: account.to_owned(),
        currency: "USD".to_owned(),
        amount_minor,
    };
    [entry(debit, minor), entry(credit, -minor)]
}

/// One order that was sold, one that was called off after it was paid, and one
/// of which half came back.
fn books() -> (Snapshot, Record) {
    let mut snapshot = Snapshot::default();
    let mut record = Record::default();
    record.products.push(Product {
        id: PRODUCT,
        title: "Tent".to_owned(),
        price_minor: TOTAL,
        stock: 5,
        hot: true,
    });
    snapshot.stock.push(Stock {
        product_id: PRODUCT,
        on_hand: 3,
        reserved: 0,
    });
    let placed_at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    for (id, status, pieces, refunded_minor) in [
        (SOLD, "confirmed", 1, 0),
        (CANCELLED, "cancelled", 1, TOTAL),
        (RETURNED, "shipped", 2, PART),
    ] {
        let lines = BTreeMap::from([(PRODUCT, pieces)]);
        snapshot.orders.push(Order {
            id,
            request_id: request_of(id),
            account_id: BUYER,
            status: status.to_owned(),
            currency: "USD".to_owned(),
            total_minor: TOTAL,
            refunded: id == CANCELLED,
            refunded_minor,
            owed_minor: 0,
            lines: lines.clone(),
            returned: BTreeMap::new(),
            placed_at,
            confirmed_at: Some(placed_at + TimeDelta::milliseconds(250)),
        });
        record.asked.push(Asked {
            request_id: request_of(id),
            account_id: BUYER,
            lines: lines.clone(),
            of_cart: id == RETURNED,
            put_in_cart: if id == RETURNED {
                lines.clone()
            } else {
                BTreeMap::new()
            },
            end: End::Answered {
                order_id: id,
                currency: "USD".to_owned(),
                total_minor: TOTAL,
                lines: lines.clone(),
            },
            other_answers: Vec::new(),
            called_off: id == CANCELLED,
        });
        snapshot.reservations.push(Reservation {
            order_id: id,
            status: if id == CANCELLED {
                "released"
            } else {
                "committed"
            }
            .to_owned(),
            lines,
        });
        snapshot.payments.push(Payment {
            id: payment_of(id),
            order_id: id,
            captured_minor: TOTAL,
            refunded_minor,
        });
        snapshot.charges.push(Charge {
            payment_id: payment_of(id),
            currency: "USD".to_owned(),
            amount_minor: TOTAL,
            fee_minor: FEE,
            captured: true,
        });
        let sale = entries(id, 1, "customer_receivable", "revenue", TOTAL);
        let settlement = entries(id, 2, "cash_at_provider", "customer_receivable", TOTAL);
        snapshot.entries.extend(sale);
        snapshot.entries.extend(settlement);
        let fee = entries(id, 5, "fees", "cash_at_provider", FEE);
        snapshot.entries.extend(fee);
        snapshot.deliveries.push(Delivery {
            id: delivery_of(id),
            template: "order_confirmed".to_owned(),
            order_id: Some(id),
            status: "sent".to_owned(),
        });
        snapshot.mails.insert(delivery_of(id).to_string());
    }
    record.asked.push(Asked {
        request_id: REFUSED_REQUEST,
        account_id: BUYER,
        lines: BTreeMap::from([(PRODUCT, 1)]),
        of_cart: false,
        put_in_cart: BTreeMap::new(),
        end: End::Refused {
            reason: "CART_EMPTY".to_owned(),
        },
        other_answers: Vec::new(),
        called_off: false,
    });
    refund(&mut snapshot, CANCELLED, 3, TOTAL, None);
    come_back(&mut snapshot, &mut record);
    announce(&mut snapshot);
    (snapshot, record)
}

/// Money that went back, everywhere but in the sums.
fn refund(snapshot: &mut Snapshot, order: Uuid, n: u128, minor: i64, return_id: Option<Uuid>) {
    let refund = Refund {
        id: Uuid::from_u128(order.as_u128() * 0x10_000 + n),
        payment_id: payment_of(order),
        amount_minor: minor,
        return_id,
    };
    snapshot.given_back.push(Refund {
        return_id: None,
        ..refund.clone()
    });
    snapshot.refunds.push(refund);
    let booked = entries(order, n, "refunds", "cash_at_provider", minor);
    snapshot.entries.extend(booked);
}

/// One of two pieces came back, and is on sale again.
fn come_back(snapshot: &mut Snapshot, record: &mut Record) {
    let piece = BTreeMap::from([(PRODUCT, 1)]);
    snapshot.orders[2].returned = piece.clone();
    snapshot.returns.push(Return {
        id: RETURN,
        order_id: RETURNED,
        request_id: RETURN_REQUEST,
        refund_minor: PART,
        lines: piece.clone(),
        restocked: piece.clone(),
    });
    snapshot.restocks.push(Restock {
        return_id: RETURN,
        order_id: RETURNED,
        lines: piece.clone(),
    });
    record.returns.push(AskedReturn {
        request_id: RETURN_REQUEST,
        order_id: RETURNED,
        pieces: piece,
        restocked: true,
        answers: vec![ReturnAnswer {
            return_id: RETURN,
            refund_minor: PART,
        }],
    });
    refund(snapshot, RETURNED, 3, PART, Some(RETURN));
}

/// All subjects of all orders, with a consumer that has claimed each.
fn announce(snapshot: &mut Snapshot) {
    for (n, (subject, _)) in (0_u64..).zip(EVENTS) {
        let consumer = format!("hears-{subject}");
        for (order, place) in [(SOLD, 0), (CANCELLED, 1), (RETURNED, 2)] {
            let event_id = Uuid::from_u128(u128::from(n * 3 + place) + 0x9_0000);
            snapshot.events.push(Stored {
                sequence: n * 3 + place + 1,
                subject: (*subject).to_owned(),
                event_id: Some(event_id),
                aggregate_id: order.to_string(),
                replay_for: None,
            });
            snapshot.claims.push(Claim {
                consumer: consumer.clone(),
                event_id,
            });
        }
        snapshot.consumers.push(ConsumerState {
            name: consumer,
            subject: (*subject).to_owned(),
            pending: 0,
            unacknowledged: 0,
        });
    }
}

/// The judge names exactly these checks after the change, and says the word.
#[track_caller]
fn named(change: impl FnOnce(&mut Snapshot, &mut Record), checks: &[&str], word: &str) {
    let (mut snapshot, mut record) = books();
    change(&mut snapshot, &mut record);
    let failed: Vec<Finding> = audit(&snapshot, &record)
        .into_iter()
        .filter(|finding| !finding.holds())
        .collect();
    let names: Vec<&str> = failed.iter().map(|finding| finding.check).collect();
    assert_eq!(names, checks, "{failed:#?}");
    for finding in failed {
        assert!(
            finding
                .offences
                .iter()
                .any(|offence| offence.contains(word)),
            "{word}: {finding:#?}"
        );
    }
}

#[test]
fn books_that_balance_are_left_in_peace() {
    named(|_, _| {}, &[], "");
    let (snapshot, record) = books();
    let idle: Vec<&str> = audit(&snapshot, &record)
        .iter()
        .filter(|finding| finding.looked_at == 0)
        .map(|finding| finding.check)
        .collect();
    assert!(idle.is_empty(), "these looked at nothing: {idle:?}");
}

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
    let finding = answers::answered(&snapshot, &record);
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

#[test]
fn an_event_that_was_not_published_is_named() {
    named(
        |books, _| books.outbox.push(format!("svc-order: {SOLD}")),
        &["outbox"],
        &SOLD.to_string(),
    );
}

#[test]
fn a_consumer_that_is_behind_is_named() {
    named(
        |books, _| books.consumers[0].pending = 1,
        &["processed"],
        "hears-souk.order.placed.v1",
    );
}

#[test]
fn a_claim_that_is_missing_is_named() {
    named(
        |books, _| {
            books.claims.remove(0);
        },
        &["claimed-once"],
        "hears-souk.order.placed.v1",
    );
}

#[test]
fn a_claim_of_what_never_was_is_named() {
    named(
        |books, _| books.claims[0].event_id = Uuid::from_u128(0xbad),
        &["claimed-once"],
        "which no stream has",
    );
}

#[test]
fn an_event_for_another_consumer_need_not_be_claimed() {
    named(
        |books, _| {
            books.events.push(Stored {
                sequence: 999,
                event_id: Some(Uuid::from_u128(0xbad)),
                replay_for: Some("somebody-else".to_owned()),
                ..books.events[0].clone()
            });
        },
        &[],
        "",
    );
}

/// As if an event of an order had never been published.
fn silence(books: &mut Snapshot, subject: &str, order: Uuid) {
    let order = order.to_string();
    let is_it = |event: &Stored| event.subject == subject && event.aggregate_id == order;
    let gone: Vec<Option<Uuid>> = books
        .events
        .iter()
        .filter(|event| is_it(event))
        .map(|event| event.event_id)
        .collect();
    assert_eq!(gone.len(), 1, "{subject} of {order}");
    books.events.retain(|event| !is_it(event));
    books
        .claims
        .retain(|claim| !gone.contains(&Some(claim.event_id)));
}

#[test]
fn a_refund_that_was_not_announced_is_named() {
    named(
        |books, _| silence(books, PaymentRefunded::SUBJECT, CANCELLED),
        &["announced"],
        &CANCELLED.to_string(),
    );
}

#[test]
fn a_shipment_and_a_return_that_were_not_announced_are_named() {
    for subject in [OrderShipped::SUBJECT, OrderReturned::SUBJECT] {
        named(
            |books, _| silence(books, subject, RETURNED),
            &["announced"],
            subject,
        );
    }
}

#[test]
fn what_was_given_up_is_named_and_not_claimed_twice_over() {
    named(
        |books, _| {
            let claim = books.claims.remove(0);
            books.dead.push(svc_kit::dead_letter::DeadLetter {
                sequence: 1,
                time: books.orders[0].placed_at,
                consumer: claim.consumer,
                reason: "no such order".to_owned(),
                attempts: 1,
                subject: OrderPlaced::SUBJECT.to_owned(),
                event_id: Some(claim.event_id),
                event_type: OrderPlaced::TYPE.to_owned(),
                event_time: None,
                aggregate_id: SOLD.to_string(),
                trace_parent: None,
                payload: Vec::new().into(),
            });
        },
        &["dead-letters"],
        &SOLD.to_string(),
    );
}

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
