//! Properties of the state machine: whatever happens in whatever order, an
//! order ends in a sane state and no money is kept for nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use svc_kit::{id::AccountId, money::Money};
use uuid::Uuid;

use super::{
    CancelReason, Fingerprint, Order, OrderId, PaymentId, PaymentToken, RequestKey, Shipment,
    Status,
    lifecycle::{
        CalledOff, Captured, Delivered, Overdue, Payment, Refund, Refunded, Reserved, Shipped,
    },
    placement::Placement,
    returns::{NotReturnable, ReturnId, ReturnedItem},
};
use crate::{
    address::Address,
    checkout::CheckoutRules,
    product::{Item, Offer, ProductId},
};

pub(super) fn eur(minor: i64) -> Money {
    Money::new("EUR".parse().unwrap(), minor)
}

pub(super) fn product(n: u8) -> ProductId {
    ProductId(Uuid::from_u128(n.into()))
}

pub(super) fn offer(price: Money) -> Offer {
    Offer {
        title: "Tent".to_owned(),
        price,
        purchase_limit: 0,
    }
}

pub(super) fn placement() -> Placement {
    Placement {
        id: OrderId(Uuid::from_u128(7)),
        account_id: AccountId(Uuid::from_u128(8)),
        request: RequestKey {
            id: Uuid::from_u128(9),
            fingerprint: Fingerprint([0; 32]),
        },
        cart: None,
        shipping_address: Address {
            recipient: "Ada".to_owned(),
            address_lines: vec!["Dorset Street 1".to_owned()],
            locality: "London".to_owned(),
            administrative_area: String::new(),
            postal_code: String::new(),
            region_code: "GB".to_owned(),
        },
        payment_token: PaymentToken::stored("tok_ok".to_owned()),
        expected_total: None,
    }
}

const TOTAL_MINOR: i64 = 42_00;
const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(1));
const OTHER_PAYMENT: PaymentId = PaymentId(Uuid::from_u128(2));

fn placed() -> Order {
    let item = Item {
        product_id: product(1),
        quantity: 1,
    };
    let offers = [(product(1), offer(eur(TOTAL_MINOR)))].into();
    Order::place(
        placement(),
        &[item],
        &offers,
        &CheckoutRules::default(),
        start(),
    )
    .unwrap()
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Happening {
    Reserved,
    Rejected,
    Captured {
        right_payment: bool,
        right_amount: bool,
    },
    PaymentFailed {
        right_payment: bool,
    },
    Refunded {
        right_payment: bool,
        minor: i64,
        for_return: bool,
    },
    TakenBack,
    CustomerCancels,
    Ships(u8),
    Delivers,
    TimePasses(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    // Mostly what a sane neighbour would say, so that runs get far.
    let right = || prop::bool::weighted(0.9);
    prop_oneof![
        4 => Just(Happening::Reserved),
        1 => Just(Happening::Rejected),
        5 => (right(), right())
            .prop_map(|(right_payment, right_amount)| Happening::Captured { right_payment, right_amount }),
        1 => right().prop_map(|right_payment| Happening::PaymentFailed { right_payment }),
        3 => (right(), prop_oneof![Just(TOTAL_MINOR), -1..TOTAL_MINOR + 2], any::<bool>())
            .prop_map(|(right_payment, minor, for_return)| Happening::Refunded { right_payment, minor, for_return }),
        2 => Just(Happening::TakenBack),
        1 => Just(Happening::CustomerCancels),
        2 => (0..2_u8).prop_map(Happening::Ships),
        2 => Just(Happening::Delivers),
        2 => (1..600_u16).prop_map(Happening::TimePasses),
    ]
}

fn payment(right_payment: bool, right_amount: bool) -> Payment {
    Payment {
        id: if right_payment {
            PAYMENT
        } else {
            OTHER_PAYMENT
        },
        amount: eur(if right_amount {
            TOTAL_MINOR
        } else {
            TOTAL_MINOR - 1
        }),
    }
}

/// What the run has seen, to judge the order by.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Seen {
    reserved: bool,
    confirmed: bool,
    money_came: bool,
    told_to_refund: bool,
    announced_cancelled: u32,
}

fn apply(
    order: &mut Order,
    happening: Happening,
    now: &mut DateTime<Utc>,
    seen: &mut Seen,
) -> Result<(), TestCaseError> {
    let rules = CheckoutRules::default();
    let reason = || CancelReason::given("PAYMENT_DECLINED", "OTHER");
    let before = order.clone();
    let called_off = |outcome: CalledOff| u32::from(outcome == CalledOff::Cancelled);
    match happening {
        Happening::Reserved => {
            let news = order.reserved(PAYMENT, &rules, *now) == Reserved::RequestPayment;
            prop_assert_eq!(news, before.status == Status::Pending);
            prop_assert!(!news || order.payment_requested().is_some());
            seen.reserved |= news;
        }
        Happening::Rejected => {
            seen.announced_cancelled += called_off(order.rejected(reason(), *now));
        }
        Happening::Captured {
            right_payment,
            right_amount,
        } => {
            match order.captured(&payment(right_payment, right_amount), *now) {
                Captured::Confirmed => {
                    prop_assert!(
                        right_payment && right_amount && before.status == Status::Reserved
                    );
                    seen.confirmed = true;
                }
                Captured::Already => {
                    prop_assert!(right_payment && right_amount && before.paid);
                }
                Captured::MustRefund(_) => {
                    prop_assert_eq!(order.status, before.status);
                    seen.told_to_refund |= right_payment && right_amount;
                }
            }
            seen.money_came |= right_payment && right_amount;
        }
        Happening::PaymentFailed { right_payment } => {
            let id = payment(right_payment, true).id;
            seen.announced_cancelled += called_off(order.payment_failed(id, reason(), *now));
        }
        Happening::Refunded {
            right_payment,
            minor,
            for_return,
        } => {
            let amount = eur(minor);
            let payment = Payment {
                amount,
                ..payment(right_payment, true)
            };
            let refund = Refund {
                payment,
                return_id: for_return.then_some(ReturnId(Uuid::from_u128(3))),
            };
            if order.refunded(&refund, *now) == Refunded::Noted {
                prop_assert!(right_payment && minor > 0 && !before.is_unfinished());
                prop_assert!(order.refunded_total.minor == before.refunded_total.minor + minor);
            } else {
                prop_assert_eq!(&before, &*order);
            }
        }
        Happening::TakenBack => {
            let item = ReturnedItem {
                product_id: product(1),
                quantity: 1,
                restock: true,
            };
            match order.take_back(&[item], None, *now) {
                Ok(refund) => prop_assert_eq!(refund, before.left_to_refund()),
                Err(NotReturnable::NotShipped(status)) => prop_assert_eq!(status, before.status),
                Err(_) => prop_assert_eq!(before.lines[0].returned, 1),
            }
        }
        Happening::CustomerCancels => {
            seen.announced_cancelled += called_off(order.cancelled_by_customer(*now));
        }
        Happening::Ships(n) => {
            let shipment = Shipment::parse("DHL", &n.to_string()).unwrap();
            let news = order.shipped(shipment, *now) == Shipped::Shipped;
            prop_assert!(!news || before.status == Status::Confirmed);
        }
        Happening::Delivers => {
            let news = order.delivered(*now) == Delivered::Delivered;
            prop_assert!(!news || before.status == Status::Shipped);
        }
        Happening::TimePasses(seconds) => {
            *now += Duration::from_secs(seconds.into());
            match order.overdue(&rules, *now) {
                Overdue::NotYet => prop_assert_eq!(&before, &*order),
                Overdue::AnnounceAgain => {
                    prop_assert!(order.next_check_at > *now && order.version == before.version);
                }
                Overdue::TimedOut => {
                    prop_assert!(*now - order.created_at >= chrono::Duration::minutes(15));
                    seen.announced_cancelled += 1;
                }
            }
        }
    }
    let visible = |o: &Order| {
        (
            o.status,
            o.paid,
            o.refunded_total,
            o.lines.clone(),
            o.shipment.clone(),
            o.cancel_reason.clone(),
        )
    };
    prop_assert_eq!(
        order.version != before.version,
        visible(order) != visible(&before)
    );
    prop_assert!(!before.is_final() || before.status == order.status);
    Ok(())
}

fn judge(order: &Order, seen: &Seen) -> Result<(), TestCaseError> {
    let status = order.status;
    let beyond = matches!(
        status,
        Status::Confirmed | Status::Shipped | Status::Delivered
    );
    prop_assert!(!beyond || (seen.reserved && seen.confirmed && order.paid));
    prop_assert_eq!(
        status == Status::Reserved,
        status != Status::Pending && !beyond && status != Status::Cancelled
    );
    prop_assert_eq!(status == Status::Cancelled, order.cancel_reason.is_some());
    prop_assert_eq!(
        seen.announced_cancelled,
        u32::from(status == Status::Cancelled)
    );
    prop_assert_eq!(
        order.shipment.is_some(),
        matches!(status, Status::Shipped | Status::Delivered)
    );
    prop_assert_eq!(order.payment_token.is_some(), order.is_unfinished());
    let (back, owed) = (order.refunded_total.minor, order.owed.minor);
    prop_assert!(back >= 0 && owed >= 0 && back + owed <= TOTAL_MINOR);
    prop_assert_eq!(order.refunded, back == TOTAL_MINOR);
    prop_assert!((0..=order.lines[0].quantity).contains(&order.lines[0].returned));
    // Money that came is in use, or is on its way back.
    if seen.money_came && !beyond {
        let comes_back = status == Status::Cancelled && seen.confirmed;
        prop_assert!(seen.told_to_refund || comes_back);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_the_order_is_sane(happenings in prop::collection::vec(happening(), 0..40)) {
        let (mut order, mut now, mut seen) = (placed(), start(), Seen::default());
        for happening in happenings {
            let was = order.status;
            apply(&mut order, happening, &mut now, &mut seen)?;
            judge(&order, &seen)?;
            // Nothing comes back from cancelled, nothing goes back at all.
            prop_assert!(was != Status::Cancelled || order.status == Status::Cancelled);
            let rank = |status| Status::ALL.iter().position(|known| *known == status);
            prop_assert!(rank(was) <= rank(order.status));
        }
    }

    #[test]
    fn an_unfinished_order_ends_with_its_deadline(happenings in prop::collection::vec(happening(), 0..10)) {
        let (mut order, mut now, mut seen) = (placed(), start(), Seen::default());
        for happening in happenings {
            apply(&mut order, happening, &mut now, &mut seen)?;
        }
        apply(&mut order, Happening::TimePasses(15 * 60), &mut now, &mut seen)?;
        prop_assert!(!order.is_unfinished());
    }
}

#[test]
fn a_good_life() {
    let (mut order, rules) = (placed(), CheckoutRules::default());
    assert_eq!(
        order.reserved(PAYMENT, &rules, start()),
        Reserved::RequestPayment
    );
    assert_eq!(
        order.captured(&payment(true, true), start()),
        Captured::Confirmed
    );
    let shipment = || Shipment::parse("DHL", "1").unwrap();
    assert_eq!(order.shipped(shipment(), start()), Shipped::Shipped);
    assert_eq!(order.shipped(shipment(), start()), Shipped::Already);
    assert_eq!(
        order.shipped(Shipment::parse("UPS", "1").unwrap(), start()),
        Shipped::Otherwise
    );
    assert_eq!(order.delivered(start()), Delivered::Delivered);
    assert!(order.is_final());
    assert_eq!(order.version, 5);
}

#[test]
fn a_cancelled_order_that_was_paid_is_final_once_refunded() {
    let (mut order, rules) = (placed(), CheckoutRules::default());
    let _ = order.reserved(PAYMENT, &rules, start());
    let _ = order.captured(&payment(true, true), start());
    assert_eq!(order.cancelled_by_customer(start()), CalledOff::Cancelled);
    assert!(!order.is_final());
    let refund = Refund {
        payment: payment(true, true),
        return_id: None,
    };
    assert_eq!(order.refunded(&refund, start()), Refunded::Noted);
    assert!(order.is_final());
}
