//! Which tokens are true. Each is signed by the true key; what is wrong with
//! it is something else.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::{Value, json};
use svc_kit::{
    auth::{self, AuthError, Verifier},
    clock::Clock,
};

use crate::support::issuer::{Issuer, claims, jwks, sign, sign_text};

const KEY: &str = "a";
const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a"}"#;

async fn verifier() -> (Verifier, Clock) {
    let clock = Clock::manual(chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let issuer = Issuer::publishing(&jwks(&[KEY])).await;
    let verifier = issuer.verifier(&clock);
    verifier.refresh().await;
    (verifier, clock)
}

#[tokio::test]
async fn a_header_says_what_ours_say_and_nothing_else() {
    let (verifier, clock) = verifier().await;
    let text = serde_json::to_string(&claims(&clock)).unwrap();
    verifier
        .verify(&sign_text(HEADER, &text, KEY))
        .await
        .unwrap();
    for header in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","kid":"a"}"#,
        r#"{"typ":"at+jwt","kid":"a"}"#,
        r#"{"alg":"EdDSA","typ":"JWT","kid":"a"}"#,
        r#"{"alg":"EdDSA","typ":"AT+JWT","kid":"a"}"#,
        r#"{"alg":"none","typ":"at+jwt","kid":"a"}"#,
        r#"{"alg":"None","typ":"at+jwt","kid":"a"}"#,
        r#"{"alg":"eddsa","typ":"at+jwt","kid":"a"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"a"}"#,
        r#"{"alg":["EdDSA"],"typ":"at+jwt","kid":"a"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":""}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"b"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":["a"]}"#,
        r#"{"alg":"EdDSA","alg":"EdDSA","typ":"at+jwt","kid":"a"}"#,
        r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"a"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"b","kid":"a"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a","crit":["exp"],"exp":1}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a","crit":[]}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a","b64":false}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a","zip":"DEF"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a","cty":"JWT"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a","jku":"http://127.0.0.1/"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a","x5c":[]}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a"} "x""#,
    ] {
        let token = sign_text(header, &text, KEY);
        let refused = verifier.verify(&token).await;
        assert_eq!(refused, Err(AuthError::Invalid), "{header}");
    }
    let deep = format!(
        r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"a","x":{}{}}}"#,
        "[".repeat(900),
        "]".repeat(900)
    );
    let token = sign_text(&deep, &text, KEY);
    assert_eq!(verifier.verify(&token).await, Err(AuthError::Invalid));
}

#[tokio::test]
async fn claims_are_whole_and_meant_for_us() {
    let (verifier, clock) = verifier().await;
    let good = serde_json::to_value(claims(&clock)).unwrap();
    let now = clock.now().timestamp();
    for member in ["iss", "aud", "sub", "sid", "exp", "nbf"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(member);
        let token = sign_text(HEADER, &claims.to_string(), KEY);
        assert!(verifier.verify(&token).await.is_err(), "without {member}");
    }
    for (member, value) in [
        ("iss", json!("souk2")),
        ("iss", json!(["souk", "evil"])),
        ("aud", json!("")),
        ("aud", json!(["souk"])),
        ("sub", json!("root")),
        ("sid", json!(1)),
        ("exp", json!("9999999999")),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("nbf", json!(i64::MAX)),
        ("nbf", Value::Null),
    ] {
        let mut claims = good.clone();
        claims[member] = value.clone();
        let token = sign_text(HEADER, &claims.to_string(), KEY);
        assert!(verifier.verify(&token).await.is_err(), "{member}: {value}");
    }
    let text = good.to_string();
    let twice = text.replacen('{', &format!(r#"{{"exp":{},"#, now + 9_000), 1);
    for text in [twice.as_str(), "{}", "", "null", "[1]"] {
        let token = sign_text(HEADER, text, KEY);
        assert!(verifier.verify(&token).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn time_counts_to_the_second_with_five_for_clocks_that_differ() {
    let (verifier, clock) = verifier().await;
    let now = clock.now().timestamp();
    let mut claims = claims(&clock);
    for (exp, expected) in [
        (now - 5, Err(AuthError::Expired)),
        (now - 4, Ok(())),
        (0, Err(AuthError::Expired)),
        (i64::MIN, Err(AuthError::Invalid)),
        (i64::MAX, Ok(())),
    ] {
        claims.exp = exp;
        let outcome = verifier.verify(&sign(&claims, KEY)).await;
        assert_eq!(outcome.map(drop), expected, "exp {exp}");
    }
    for (nbf, expected) in [
        (now + 5, Ok(())),
        (now + 6, Err(AuthError::Invalid)),
        (i64::MAX, Err(AuthError::Invalid)),
    ] {
        claims.nbf = nbf;
        let outcome = verifier.verify(&sign(&claims, KEY)).await;
        assert_eq!(outcome.map(drop), expected, "nbf {nbf}");
    }
}

#[tokio::test]
async fn a_token_that_passed_is_refused_once_its_time_is_over() {
    let (verifier, clock) = verifier().await;
    let token = sign(&claims(&clock), KEY);
    for _ in 0..3 {
        verifier.verify(&token).await.unwrap();
    }
    clock.advance(Duration::from_secs(904));
    verifier.verify(&token).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(verifier.verify(&token).await, Err(AuthError::Expired));
}

#[tokio::test]
async fn a_token_that_comes_again_is_cheap() {
    let (verifier, clock) = verifier().await;
    let tokens: Vec<String> = (0..300).map(|_| sign(&claims(&clock), KEY)).collect();
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let begun = Instant::now();
        for token in &tokens {
            verifier.verify(token).await.unwrap();
        }
        rounds.push(begun.elapsed());
    }
    println!(
        "300 tokens: {:?} at first, {:?} again",
        rounds[0], rounds[1]
    );
    assert!(rounds[1] * 2 < rounds[0], "{rounds:?}");
}

#[tokio::test]
async fn a_token_that_came_too_early_passes_when_its_time_has_come() {
    let (verifier, clock) = verifier().await;
    let mut claims = claims(&clock);
    claims.nbf += 60;
    let token = sign(&claims, KEY);
    assert_eq!(verifier.verify(&token).await, Err(AuthError::Invalid));
    clock.advance(Duration::from_mins(1));
    assert_eq!(verifier.verify(&token).await, Ok(claims));
}

#[tokio::test]
async fn no_other_spelling_of_a_good_token_passes() {
    let (verifier, clock) = verifier().await;
    let token = sign(&claims(&clock), KEY);
    verifier.verify(&token).await.unwrap(); // and it is kept now
    for at in 0..token.len() {
        for other in ["A", "Q", "-", "_", ".", "=", "+", "/", " ", "\n", "é"] {
            let (before, after) = token.split_at(at);
            let inserted = format!("{before}{other}{after}");
            let replaced = format!("{before}{other}{}", &after[1..]);
            for changed in [inserted, replaced] {
                if changed != token {
                    let outcome = verifier.verify(&changed).await;
                    assert_eq!(outcome, Err(AuthError::Invalid), "{changed:?}");
                }
            }
        }
        let cut = &token[..at];
        assert_eq!(verifier.verify(cut).await, Err(AuthError::Invalid));
    }
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let json = json!({ "payload": payload, "protected": header, "signature": signature });
    for other in [
        json.to_string(),
        format!("{token}=="),
        format!("{token}."),
        format!(".{token}"),
        format!("{header}..{signature}"),
        format!("{payload}.{header}.{signature}"),
        format!("{token}.{signature}"),
        signature.to_owned(),
    ] {
        let outcome = verifier.verify(&other).await;
        assert_eq!(outcome, Err(AuthError::Invalid), "{other:?}");
    }
}

/// The order of the group, little-endian (RFC 8032, section 5.1).
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[tokio::test]
async fn no_other_signature_fits_a_good_message() {
    let (verifier, clock) = verifier().await;
    let token = sign(&claims(&clock), KEY);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = signature.split_at(32);
    // The same scalar, once around the group.
    let mut carry = 0;
    let malleated: Vec<u8> = s
        .iter()
        .zip(GROUP_ORDER)
        .map(|(s, order)| {
            let sum = u16::from(*s) + u16::from(order) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect();
    assert_eq!(carry, 0);
    let zeros = [0; 32];
    let identity = [&[1][..], &[0; 31]].concat();
    for (what, signature) in [
        ("S + L", [r, &malleated].concat()),
        ("S = L", [r, &GROUP_ORDER].concat()),
        ("S = 0", [r, &zeros].concat()),
        ("R = 0", [&zeros, s].concat()),
        ("R the identity, S = 0", [&identity, &zeros[..]].concat()),
        ("all zero", vec![0; 64]),
        ("all one", vec![0xff; 64]),
        (
            "R negated",
            [&[&r[..31], &[r[31] ^ 0x80]].concat(), s].concat(),
        ),
        ("S alone", s.to_vec()),
        ("R and S and more", [r, s, &[0]].concat()),
        ("none", Vec::new()),
    ] {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        let outcome = verifier.verify(&token).await;
        assert_eq!(outcome, Err(AuthError::Invalid), "{what}");
    }
}

#[tokio::test]
async fn a_token_is_no_longer_than_four_thousand_bytes() {
    let (verifier, clock) = verifier().await;
    let mut claims = claims(&clock);
    claims.roles = vec!["x".repeat(2_000)];
    verifier.verify(&sign(&claims, KEY)).await.unwrap();
    claims.roles = vec!["x".repeat(3_000)];
    let token = sign(&claims, KEY);
    assert!(token.len() > 4096);
    assert_eq!(verifier.verify(&token).await, Err(AuthError::Invalid));
}

#[test]
fn a_request_carries_one_token_or_none() {
    let of = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        auth::bearer(&headers).map(|token| token.map(str::to_owned))
    };
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&["Bearer x.y.z"]), Ok(Some("x.y.z".to_owned())));
    assert_eq!(of(&["bearer x.y.z"]), Ok(Some("x.y.z".to_owned())));
    for values in [
        &["Bearer x", "Bearer x"][..],
        &["Bearer x", "Basic x"],
        &["Basic x"],
        &["Bearer"],
        &["Bearer x, Bearer y"],
        &["Bearer x y"],
        &["Bearer "],
        &[""],
    ] {
        assert_eq!(of(values), Err(AuthError::Invalid), "{values:?}");
    }
}
