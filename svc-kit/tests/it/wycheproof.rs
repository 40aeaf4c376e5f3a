//! Project Wycheproof's vectors for JSON Web Signatures and Keys, read from
//! beside the checkout. None of them is of our one algorithm, so none may
//! pass, be its signature as good as it likes: a key set that offers RSA, NIST
//! curves or shared secrets opens nothing. What the vectors do to signatures
//! and keys of theirs, `tokens.rs` and `keys.rs` do to ours.

use std::path::Path;

use serde_json::{Value, json};
use svc_kit::{auth::AuthError, clock::Clock};

use crate::support::issuer::{Issuer, claims, jwk, sign};

/// The groups of a file; `None`, and a line that says so, without it.
fn groups(file: &str) -> Option<Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/wycheproof")
        .join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let groups = file["testGroups"].as_array().unwrap().clone();
    let tests = |group: &Value| group["tests"].as_array().unwrap().len() as u64;
    assert_eq!(
        groups.iter().map(tests).sum::<u64>(),
        file["numberOfTests"].as_u64().unwrap()
    );
    Some(groups)
}

/// The keys of a group: as a verifier would be given them.
fn keys(group: &Value) -> Vec<Value> {
    let keys = match group.get("public") {
        Some(public) => public,
        None => &group["private"], // a shared secret has no public half
    };
    match keys.get("keys") {
        Some(keys) => keys.as_array().unwrap().clone(),
        None => vec![keys.clone()],
    }
}

fn token(test: &Value) -> String {
    match &test["jws"] {
        Value::String(compact) => compact.clone(),
        other => other.to_string(),
    }
}

/// Nothing of a file passes, neither with the vector's keys alone nor beside
/// one of ours. Says how many vectors there were.
async fn refuse_all(file: &str) -> usize {
    let Some(groups) = groups(file) else { return 0 };
    let clock = Clock::system();
    let ours = sign(&claims(&clock), "ours");
    let mut vectors = 0;
    for group in &groups {
        let keys = keys(group);
        let secret = keys.iter().any(|key| key.get("k").is_some());
        let alone = Issuer::publishing(&json!({ "keys": keys })).await;
        let beside = [&keys[..], &[jwk("ours")]].concat();
        let beside = Issuer::publishing(&json!({ "keys": beside })).await;
        let (alone, beside) = (alone.verifier(&clock), beside.verifier(&clock));
        alone.refresh().await;
        beside.refresh().await;
        // A set that shows a secret is not believed in anything.
        let expected = if secret {
            Err(AuthError::KeysUnavailable)
        } else {
            Ok(())
        };
        let outcome = beside.verify(&ours).await.map(drop);
        assert_eq!(outcome, expected, "{}", group["comment"]);
        for test in group["tests"].as_array().unwrap() {
            for verifier in [&alone, &beside] {
                let outcome = verifier.verify(&token(test)).await;
                assert_eq!(outcome, Err(AuthError::Invalid), "{file} {}", test["tcId"]);
            }
            vectors += 1;
        }
    }
    vectors
}

#[tokio::test]
async fn no_signature_of_another_algorithm_passes() {
    let vectors = refuse_all("json_web_signature_test.json").await;
    println!("{vectors} vectors");
}

#[tokio::test]
async fn no_key_of_another_kind_verifies() {
    let vectors = refuse_all("json_web_key_test.json").await;
    println!("{vectors} vectors");
}
