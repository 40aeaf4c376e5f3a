//! Books that balance, and what the judge says when one line of them does not.

mod answers;
mod charges;
mod events;
mod goods;
mod ledger;
mod mails;
mod returns;
mod stock;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use proto::events::EVENTS;
use svc_kit::nats::inspect::{ConsumerState, Stored};
use uuid::Uuid;

use super::snapshot::{
    Charge, Claim, Delivery, Entry, Order, Payment, Refund, Reservation, Restock, Return, Snapshot,
    Stock,
};
use super::{Finding, audit};
use crate::load::record::{Asked, AskedReturn, End, Product, Record, ReturnAnswer};

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
