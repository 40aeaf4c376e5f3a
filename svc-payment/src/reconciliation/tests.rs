//! Rules of the comparison.

use super::*;
use payment::Status as Charge;
use refund::Status as Refund;

fn eur(minor: i64) -> Money {
    Money::new("EUR".parse().unwrap(), minor)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

const NOON: &str = "2026-11-23T12:00:00Z";

/// The 23rd, compared the day after.
fn comparison() -> Comparison {
    Comparison {
        date: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
        begin_time: at("2026-11-24T02:00:00Z"),
    }
}

fn ours(standing: Standing, time: &str) -> Ours {
    Ours {
        id: Uuid::from_u128(7),
        order_id: OrderId(Uuid::from_u128(8)),
        amount: eur(42_00),
        standing,
        time: at(time),
    }
}

fn record(state: RecordState, time: &str) -> Record {
    Record {
        kind: RecordKind::Charge,
        id: Some(Uuid::from_u128(7)),
        reference: "ch_1".to_owned(),
        amount: eur(42_00),
        state,
        time: at(time),
    }
}

fn kind(finding: Option<Finding>) -> Option<Kind> {
    finding.map(|finding| finding.kind)
}

#[test]
fn what_agrees_is_no_discrepancy() {
    use RecordState::{Failed, Pending, Succeeded};
    let all = Charge::ALL
        .map(Standing::Charge)
        .into_iter()
        .chain(Refund::ALL.map(Standing::Refund));
    for standing in all {
        for state in RecordState::ALL {
            let found =
                comparison().of_record(&record(state, NOON), Some(&ours(standing, NOON)), false);
            let agrees = matches!(
                (standing.belief(), state),
                (Belief::Moved, Succeeded) | (Belief::Stayed, Failed) | (Belief::Open, Pending)
            );
            let expected = (!agrees).then_some(Kind::StateDiffers);
            assert_eq!(kind(found), expected, "{standing:?} {state:?}");
        }
    }
}

#[test]
fn amounts_are_compared_with_their_currency() {
    let ours = ours(Standing::Charge(Charge::Captured), NOON);
    let theirs = record(RecordState::Succeeded, NOON);
    for amount in [eur(42_01), Money::new("USD".parse().unwrap(), 42_00)] {
        let theirs = Record {
            amount,
            ..theirs.clone()
        };
        let found = comparison().of_record(&theirs, Some(&ours), false);
        assert_eq!(kind(found), Some(Kind::AmountDiffers));
    }
}

#[test]
fn money_that_only_the_provider_knows_of_is_missing_here() {
    for (state, expected) in [
        (RecordState::Succeeded, Some(Kind::MissingHere)),
        (RecordState::Pending, Some(Kind::MissingHere)),
        (RecordState::Failed, None),
    ] {
        let found = comparison().of_record(&record(state, NOON), None, false);
        assert_eq!(kind(found), expected, "{state:?}");
    }
}

#[test]
fn a_second_charge_of_one_payment_is_missing_here() {
    let ours = ours(Standing::Charge(Charge::Captured), NOON);
    let twice = record(RecordState::Succeeded, NOON);
    let found = comparison().of_record(&twice, Some(&ours), true).unwrap();
    assert_eq!(found.kind, Kind::MissingHere);
    assert_eq!(found.identity(), "ch_1");
    assert_eq!(found.object_id, twice.id);

    let failed = record(RecordState::Failed, NOON);
    assert_eq!(comparison().of_record(&failed, Some(&ours), true), None);
    // Long after it is no answer to what we asked.
    let late = record(RecordState::Succeeded, "2026-11-23T13:00:01Z");
    let found = comparison().of_record(&late, Some(&ours), false);
    assert_eq!(kind(found), Some(Kind::MissingHere));
}

#[test]
fn only_money_that_we_believe_moved_is_missing_there() {
    for standing in Charge::ALL.map(Standing::Charge) {
        let found = comparison().of_ours(&ours(standing, NOON));
        let expected = (standing.belief() == Belief::Moved).then_some(Kind::MissingThere);
        assert_eq!(kind(found), expected, "{standing:?}");
    }
    for standing in Refund::ALL.map(Standing::Refund) {
        let found = comparison().of_ours(&ours(standing, NOON));
        let expected =
            (standing == Standing::Refund(Refund::Refunded)).then_some(Kind::MissingThere);
        assert_eq!(kind(found), expected, "{standing:?}");
    }
}

#[test]
fn what_straddles_midnight_belongs_to_one_day() {
    let (before, after) = ("2026-11-23T23:59:59Z", "2026-11-24T00:00:01Z");
    let days = |ours: Option<&Ours>, theirs: &Record| {
        let next = Comparison {
            date: comparison().date + Days::new(1),
            begin_time: at("2026-11-25T02:00:00Z"),
        };
        [comparison(), next].map(|day| day.of_record(theirs, ours, false).is_some())
    };
    let captured = ours(Standing::Charge(Charge::Captured), before);
    let theirs = record(RecordState::Succeeded, after);
    assert_eq!(days(Some(&captured), &theirs), [false, false]);
    let failed = ours(Standing::Charge(Charge::Failed), before);
    assert_eq!(days(Some(&failed), &theirs), [true, false]);
    assert_eq!(days(None, &theirs), [false, true]);
}

#[test]
fn what_is_in_flight_is_not_compared() {
    let during = Comparison {
        begin_time: at("2026-11-23T13:00:00Z"),
        ..comparison()
    };
    let moved = Standing::Charge(Charge::Captured);
    for (time, compared) in [
        ("2026-11-23T12:00:00Z", true),
        ("2026-11-23T12:00:01Z", false),
    ] {
        let lone = during.of_record(&record(RecordState::Succeeded, time), None, false);
        assert_eq!(lone.is_some(), compared);
        assert_eq!(during.of_ours(&ours(moved, time)).is_some(), compared);
        let pending = record(RecordState::Pending, time);
        let pair = during.of_record(&pending, Some(&ours(moved, NOON)), false);
        assert_eq!(pair.is_some(), compared);
    }
}

#[test]
fn a_refund_of_somebody_at_the_provider_is_not_to_be_refunded_again() {
    let theirs = Record {
        kind: RecordKind::Refund,
        ..record(RecordState::Succeeded, NOON)
    };
    let found = comparison().of_record(&theirs, None, false).unwrap();
    assert!(found.proposal().contains("Do not refund the payment"));
}

#[test]
fn a_discrepancy_says_what_to_do() {
    let theirs = Some((eur(1), RecordState::Succeeded));
    for kind in Kind::ALL {
        for object in RecordKind::ALL {
            let finding = Finding {
                kind,
                object,
                date: comparison().date,
                object_id: None,
                order_id: None,
                reference: None,
                ours: None,
                theirs,
            };
            assert!(finding.proposal().ends_with('.'));
        }
    }
}
