//! Rules of the refund.

use svc_kit::money::Money;

use super::*;

fn refund(status: Status) -> Refund {
    let time = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    Refund {
        id: RefundId(Uuid::from_u128(1)),
        payment_id: PaymentId(Uuid::from_u128(2)),
        order_id: OrderId(Uuid::from_u128(3)),
        status,
        cause: Cause::OrderCancelled,
        amount: Money::new("EUR".parse().unwrap(), 42_00),
        attempts: 2,
        create_time: time,
        update_time: time,
    }
}

#[test]
fn a_refund_that_was_made_and_failed_afterwards_is_reversed() {
    let made = refund(Status::Refunded);
    assert_eq!(made.looked_up(&made, FoundRefund::Refused), Next::Reverse);
    for other in [
        FoundRefund::Refunded,
        FoundRefund::NotFound,
        FoundRefund::Unknown,
    ] {
        assert_eq!(made.looked_up(&made, other), Next::Nothing, "{other:?}");
    }
}

#[test]
fn word_of_an_earlier_try_reverses_nothing() {
    let made = refund(Status::Refunded);
    let before = Refund {
        attempts: made.attempts - 1,
        ..made.clone()
    };
    let refused = Refund {
        status: Status::Refused,
        ..made.clone()
    };
    for seen in [before, refused] {
        assert_eq!(made.looked_up(&seen, FoundRefund::Refused), Next::Nothing);
    }
    // Nor does old word that it was made undo a reversal, or the try after it.
    for status in [Status::Refused, Status::Requested] {
        let since = Refund {
            attempts: made.attempts + 1,
            ..refund(status)
        };
        assert_eq!(since.looked_up(&made, FoundRefund::Refunded), Next::Nothing);
    }
    // Nor does the answer of somebody who has claimed it, and was slow.
    for attempt in 1..=made.attempts {
        assert_eq!(made.answered(attempt, FoundRefund::Refused), Next::Nothing);
    }
}

#[test]
fn whoever_looks_it_up_brings_what_was_made_and_nothing_else() {
    for status in [Status::Requested, Status::Refused] {
        let open = refund(status);
        assert_eq!(
            open.looked_up(&open, FoundRefund::Refunded),
            Next::Finish,
            "{status:?}"
        );
        for other in [
            FoundRefund::Refused,
            FoundRefund::NotFound,
            FoundRefund::Unknown,
        ] {
            assert_eq!(
                open.looked_up(&open, other),
                Next::Nothing,
                "{status:?} {other:?}"
            );
        }
    }
}
