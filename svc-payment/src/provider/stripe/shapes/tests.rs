//! What Stripe's answers are read as; among them those that Stripe publishes.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::*;

/// An object that Stripe publishes as an example; `None`, and a line that says
/// so, when it does not lie beside the checkout.
fn published(name: &str) -> Option<Value> {
    const FILE: &str = "shared/data/stripe/fixtures3.json";
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let Some(text) = root
        .ancestors()
        .find_map(|folder| fs::read_to_string(folder.join(FILE)).ok())
    else {
        println!("skipped: there is no {FILE} beside the checkout");
        return None;
    };
    let all: Value = serde_json::from_str(&text).unwrap();
    let found = all["resources"][name].clone();
    assert!(found.is_object(), "no {name} in {FILE}");
    Some(found)
}

fn intent(changes: &Value) -> Intent {
    let mut intent = json!({
        "id": "pi_1", "created": 1, "status": "succeeded", "amount": 4200,
        "amount_received": 4200, "currency": "eur", "metadata": {}, "last_payment_error": null,
    });
    for (name, value) in changes.as_object().unwrap() {
        intent[name] = value.clone();
    }
    serde_json::from_value(intent).unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new("EUR".parse().unwrap(), minor)
}

/// Captured, with a fee that is not known.
fn captured(currency: &str) -> FoundCharge {
    FoundCharge::Captured(Receipt {
        fee: Money::zero(currency.parse().unwrap()),
    })
}

#[test]
fn a_published_intent_is_understood() {
    let Some(mut object) = published("payment_intent") else {
        return;
    };
    let read: Intent = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(read.id, "pi_1PgafyB7WZ01zgkWSjxsAJo3");
    let amount = Money::new("USD".parse().unwrap(), 1099);
    assert_eq!(
        read.outcome(amount),
        FoundCharge::Declined(Decline::Declined)
    );
    assert!(read.is_over(amount));

    let id = PaymentId(uuid::Uuid::from_u128(7));
    assert!(!read.is_of(id));
    object["status"] = json!("succeeded");
    let read: Intent = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(
        read.outcome(amount),
        FoundCharge::Unknown,
        "nothing is received"
    );
    object["amount_received"] = json!(1099);
    object["metadata"]["payment_id"] = json!(id.to_string());
    let read: Intent = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(read.outcome(amount), captured("USD"));
    assert!(read.is_of(id));

    let page = json!({"object": "list", "data": [object], "has_more": false, "url": "/v1"});
    let page: Page<Intent> = serde_json::from_value(page).unwrap();
    assert_eq!(page.data[0].id(), "pi_1PgafyB7WZ01zgkWSjxsAJo3");
}

#[test]
fn a_published_refund_is_understood() {
    let Some(mut object) = published("refund") else {
        return;
    };
    for (status, expected) in [
        ("succeeded", Refunded::Refunded),
        ("pending", Refunded::Unknown),
        ("requires_action", Refunded::Unknown),
        ("failed", Refunded::Refused),
        ("canceled", Refunded::Refused),
    ] {
        object["status"] = json!(status);
        let read: RefundObject = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(read.refunded(), expected, "{status}");
    }
}

#[test]
fn what_has_failed_tells_of_its_own_try_only() {
    let id = RefundId(uuid::Uuid::from_u128(7));
    let refund = |status: &str, retry: Option<&str>| -> RefundObject {
        let mut refund = json!({
            "id": "re_1", "status": status, "metadata": {"refund_id": id.to_string()},
        });
        if let Some(retry) = retry {
            refund["metadata"]["refund_retry"] = retry.into();
        }
        serde_json::from_value(refund).unwrap()
    };
    for (status, retry, tells_of) in [
        ("failed", None, [true, false]),
        ("failed", Some("0"), [true, false]),
        ("canceled", Some("1"), [false, true]),
        ("succeeded", None, [true, true]),
        ("succeeded", Some("1"), [true, true]),
        ("pending", Some("0"), [true, true]),
    ] {
        let told = [0, 1].map(|asked| refund(status, retry).tells_of(id, asked));
        assert_eq!(told, tells_of, "{status} {retry:?}");
    }
    let other = RefundId(uuid::Uuid::from_u128(8));
    assert!(!refund("succeeded", None).tells_of(other, 0));
}

#[test]
fn an_intent_that_is_not_decided_is_no_success() {
    for (status, expected) in [
        ("succeeded", captured("EUR")),
        ("requires_capture", FoundCharge::Authorized),
        ("processing", FoundCharge::Pending),
        ("requires_action", FoundCharge::Pending),
        ("requires_confirmation", FoundCharge::Pending),
        ("canceled", FoundCharge::Voided),
        ("something_new", FoundCharge::Unknown),
    ] {
        let read = intent(&json!({"status": status}));
        assert_eq!(read.outcome(eur(42_00)), expected, "{status}");
    }
}

#[test]
fn a_card_that_says_no_says_why() {
    for (error, expected) in [
        (json!({"code": "card_declined"}), Decline::Declined),
        (
            json!({"code": "card_declined", "decline_code": "insufficient_funds"}),
            Decline::FundsInsufficient,
        ),
        (json!({"code": "expired_card"}), Decline::CardExpired),
        (json!({"code": "incorrect_cvc"}), Decline::TokenInvalid),
        (
            json!({"code": "authentication_required"}),
            Decline::AuthenticationRequired,
        ),
        (json!({"code": "something_new"}), Decline::Declined),
        (Value::Null, Decline::Declined),
    ] {
        let read = intent(&json!({
            "status": "requires_payment_method", "last_payment_error": error,
        }));
        let outcome = read.outcome(eur(42_00));
        assert_eq!(outcome, FoundCharge::Declined(expected), "{error}");

        let mut refused = json!({"type": "card_error", "payment_intent": {
            "id": "pi_1", "status": "requires_payment_method", "amount": 1, "currency": "eur",
        }});
        for (name, value) in error.as_object().into_iter().flatten() {
            refused[name] = value.clone();
        }
        let refused: ErrorAnswer = serde_json::from_value(json!({"error": refused})).unwrap();
        assert_eq!(refused.error.decline(), expected);
        assert_eq!(refused.error.intent.unwrap().id, "pi_1");
    }
}

#[test]
fn a_request_that_is_refused_as_it_stands_has_a_token_of_nobody() {
    let refused = json!({"error": {
        "type": "invalid_request_error", "code": "resource_missing", "param": "payment_method",
    }});
    let refused: ErrorAnswer = serde_json::from_value(refused).unwrap();
    assert_eq!(refused.error.decline(), Decline::TokenInvalid);
}

#[test]
fn the_same_number_in_another_currency_is_another_amount() {
    let yen = intent(&json!({"currency": "jpy", "amount": 500}));
    assert!(yen.is_over(Money::new("JPY".parse().unwrap(), 500)));
    assert!(!yen.is_over(Money::new("EUR".parse().unwrap(), 500)));
    assert!(!yen.is_over(Money::new("JPY".parse().unwrap(), 50_000)));
}

#[test]
fn another_amount_than_was_asked_for_is_no_success() {
    for changes in [
        json!({"amount_received": 2000}),
        json!({"amount_received": 0}),
        json!({"amount_received": 4201}),
        json!({"currency": "usd"}),
        json!({"status": "requires_capture", "amount": 4201}),
        json!({"status": "requires_capture", "currency": "usd"}),
    ] {
        let read = intent(&changes);
        assert_eq!(read.outcome(eur(42_00)), FoundCharge::Unknown, "{changes}");
    }
    // More was asked for at first, and as much was taken as it should.
    let lowered = intent(&json!({"amount": 5000}));
    assert_eq!(lowered.outcome(eur(42_00)), captured("EUR"));
}

#[test]
fn a_record_is_over_what_was_taken() {
    for (changes, expected) in [
        (json!({"amount_received": 2000}), eur(20_00)),
        (
            json!({"status": "requires_capture", "amount_received": 0}),
            eur(42_00),
        ),
        (
            json!({"status": "canceled", "amount_received": 0}),
            eur(42_00),
        ),
    ] {
        let record = intent(&changes).record().unwrap();
        assert_eq!(record.amount, expected, "{changes}");
    }
}
