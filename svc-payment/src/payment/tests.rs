//! Rules of the payment.

use super::*;

fn payment(status: Status, attempts: u32) -> Payment {
    let eur = "EUR".parse().unwrap();
    Payment {
        id: PaymentId(uuid::Uuid::nil()),
        order_id: OrderId(uuid::Uuid::nil()),
        account_id: AccountId(uuid::Uuid::nil()),
        status,
        amount: Money::new(eur, 42_00),
        refunded: Money::zero(eur),
        refund_requested: Money::zero(eur),
        failure_reason: None,
        attempts,
        last_charge_time: Some(at(0)),
        create_time: at(0),
    }
}

fn receipt() -> Receipt {
    Receipt {
        fee: Money::new("EUR".parse().unwrap(), 84),
    }
}

fn captured() -> FoundCharge {
    FoundCharge::Captured(receipt())
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

#[test]
fn only_a_payment_that_was_never_sent_is_dropped_at_once() {
    assert_eq!(
        payment(Status::Requested, 0).cancelled(),
        Cancelled::BeforeCharge
    );
    assert_eq!(
        payment(Status::Requested, 1).cancelled(),
        Cancelled::InFlight
    );
    assert_eq!(
        payment(Status::Captured, 1).cancelled(),
        Cancelled::MustRefund
    );
    let gone = Payment {
        refund_requested: Money::new("EUR".parse().unwrap(), 42_00),
        ..payment(Status::Captured, 1)
    };
    assert_eq!(gone.cancelled(), Cancelled::Nothing);
}

#[test]
fn an_unknown_outcome_is_never_taken_for_another() {
    for cancelled in [false, true] {
        assert_eq!(
            payment(Status::Requested, 3).answered(3, FoundCharge::Unknown, cancelled, at(999)),
            Next::Ask(Call::LookUp, When::AfterPause)
        );
    }
}

#[test]
fn a_charge_that_may_still_arrive_is_not_given_up() {
    let payment = payment(Status::Requested, 2);
    assert_eq!(
        payment.answered(2, FoundCharge::NotFound, true, at(1)),
        Next::Ask(Call::LookUp, When::At(at(0) + SETTLED_AFTER))
    );
    assert_eq!(
        payment.answered(2, FoundCharge::NotFound, true, at(60)),
        Next::Cancel
    );
}

#[test]
fn money_that_came_after_all_goes_back() {
    for status in [Status::Failed, Status::Cancelled] {
        assert_eq!(
            payment(status, 2).answered(1, captured(), false, at(0)),
            Next::Capture {
                receipt: receipt(),
                refund: true
            }
        );
    }
}

#[test]
fn whoever_did_not_ask_last_reschedules_nothing() {
    for answer in [
        FoundCharge::Unknown,
        FoundCharge::NotFound,
        FoundCharge::Authorized,
        FoundCharge::Pending,
    ] {
        assert_eq!(
            payment(Status::Requested, 2).answered(1, answer, true, at(999)),
            Next::Nothing
        );
    }
}

/// Every status, answer, wish, attempt and time there is.
#[test]
fn no_answer_is_read_as_another_one() {
    let answers = [
        captured(),
        FoundCharge::Authorized,
        FoundCharge::Pending,
        FoundCharge::Voided,
        FoundCharge::Declined(Decline::Declined),
        FoundCharge::NotFound,
        FoundCharge::Unknown,
    ];
    let all = Status::ALL.into_iter().flat_map(|status| {
        answers.into_iter().flat_map(move |answer| {
            [false, true].into_iter().flat_map(move |cancelled| {
                [1, 2].into_iter().flat_map(move |attempt| {
                    [0, 999].map(|now| (status, answer, cancelled, attempt, now))
                })
            })
        })
    });
    for case in all {
        let (status, answer, cancelled, attempt, now) = case;
        let holds = match payment(status, 2).answered(attempt, answer, cancelled, at(now)) {
            // Money that was taken and is not wanted always goes back.
            Next::Capture { receipt: _, refund } => {
                answer == captured() && refund == (cancelled || status != Status::Requested)
            }
            Next::Fail(_) => {
                matches!(answer, FoundCharge::Declined(_))
                    || (answer == FoundCharge::Voided && !cancelled)
            }
            Next::Cancel => {
                matches!(answer, FoundCharge::NotFound | FoundCharge::Voided) && cancelled
            }
            Next::Ask(Call::Charge, _) => answer == FoundCharge::NotFound && !cancelled,
            Next::Ask(Call::Capture, _) => answer == FoundCharge::Authorized && !cancelled,
            Next::Ask(Call::Void, _) => {
                matches!(answer, FoundCharge::Authorized | FoundCharge::Pending) && cancelled
            }
            Next::Ask(Call::LookUp, _) => matches!(
                answer,
                FoundCharge::NotFound | FoundCharge::Unknown | FoundCharge::Pending
            ),
            // Captured money is never overlooked.
            Next::Nothing => {
                answer != captured()
                    || matches!(
                        status,
                        Status::Captured | Status::PartiallyRefunded | Status::Refunded
                    )
            }
        };
        assert!(holds, "{case:?}");
    }
}

/// A captured payment of 42 euros, of which so much is asked back.
fn asked_back(minor: i64) -> Payment {
    Payment {
        refund_requested: Money::new("EUR".parse().unwrap(), minor),
        ..payment(Status::Captured, 1)
    }
}

#[test]
fn no_more_is_given_back_than_is_left() {
    let eur = |minor| Money::new("EUR".parse().unwrap(), minor);
    let payment = asked_back(40_00);
    assert_eq!(payment.may_refund(eur(2_00)), MayRefund::Yes);
    for refused in [
        eur(2_01),
        eur(0),
        eur(-1),
        Money::new("USD".parse().unwrap(), 1),
    ] {
        assert_eq!(payment.may_refund(refused), MayRefund::AtMost(eur(2_00)));
    }
}

#[test]
fn what_is_not_captured_is_not_given_back() {
    let eur = |minor| Money::new("EUR".parse().unwrap(), minor);
    assert_eq!(
        payment(Status::Requested, 1).may_refund(eur(1)),
        MayRefund::NotYet
    );
    for status in [Status::Failed, Status::Cancelled] {
        assert_eq!(
            payment(status, 1).may_refund(eur(1)),
            MayRefund::AtMost(eur(0))
        );
    }
}

#[test]
fn a_payment_is_refunded_when_all_of_it_went_back() {
    let eur = |minor| Money::new("EUR".parse().unwrap(), minor);
    let mut payment = asked_back(42_00);
    payment.gave_back(eur(41_99)).unwrap();
    assert_eq!(payment.status, Status::PartiallyRefunded);
    payment.gave_back(eur(1)).unwrap();
    assert_eq!(payment.status, Status::Refunded);
    assert_eq!(payment.refunded, payment.amount);
}
