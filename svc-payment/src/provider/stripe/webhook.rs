//! Stripe's webhooks: who may tell us something, and about what it is. The
//! signature is an HMAC-SHA256 over the time, a dot and the bytes as they came:
//! <https://docs.stripe.com/webhooks#verify-manually>.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use svc_kit::secret::Secret;

use super::shapes::Metadata;
use crate::{
    provider::ProviderName,
    webhook::{Hint, Received},
};

/// The header with the signature.
pub const SIGNATURE: &str = "stripe-signature";

/// A signature may be so old, or so far ahead of our clock.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// The most signatures of one event that are tried: one a secret, while it is
/// being replaced.
const MAX_SIGNATURES: usize = 8;

/// The longest id and type that an event may have.
const MAX_NAME_BYTES: usize = 255;

/// Why nobody listens to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// There is no signature that could be checked.
    #[error("the signature cannot be read")]
    Malformed,
    /// It was signed too long ago, or is yet to be.
    #[error("the signature is of another time")]
    OutOfTime,
    /// Whoever signed it does not know the secret.
    #[error("the signature does not match")]
    Mismatch,
}

impl Forged {
    /// As it is measured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OutOfTime => "out_of_time",
            Self::Mismatch => "mismatch",
        }
    }
}

/// Checks who has sent these bytes, in constant time.
///
/// # Errors
/// When it was not Stripe, or not now.
pub fn verify(
    secret: &Secret,
    header: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), Forged> {
    let parts = || {
        header
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
    };
    let mut times = parts().filter(|(name, _)| *name == "t");
    let (Some((_, time)), None) = (times.next(), times.next()) else {
        return Err(Forged::Malformed);
    };
    let signed: i64 = time.parse().map_err(|_| Forged::Malformed)?;
    let signatures: Vec<_> = parts()
        .filter(|(name, _)| *name == "v1")
        .filter_map(|(_, signature)| hex::decode(signature).ok())
        .take(MAX_SIGNATURES)
        .collect();
    if signatures.is_empty() {
        return Err(Forged::Malformed);
    }
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .map_err(|_| Forged::Malformed)?
        .chain_update(time)
        .chain_update(b".")
        .chain_update(body);
    if !signatures
        .iter()
        .any(|signature| mac.clone().verify_slice(signature).is_ok())
    {
        return Err(Forged::Mismatch);
    }
    if now.timestamp().abs_diff(signed) > TOLERANCE.as_secs() {
        return Err(Forged::OutOfTime);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

/// What these bytes are, as far as it is needed to keep them.
pub fn received(body: &[u8]) -> Received {
    let event = serde_json::from_slice::<Event>(body)
        .ok()
        .filter(|event| is_name(&event.id) && is_name(&event.kind));
    let (event_id, kind) = match event {
        Some(event) => (event.id, Some(event.kind)),
        None => (
            format!("sha256:{}", hex::encode(Sha256::digest(body))),
            None,
        ),
    };
    Received {
        provider: ProviderName::Stripe,
        event_id,
        kind,
    }
}

/// Whether it can be a name of Stripe's.
fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[derive(Deserialize)]
struct About {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    id: Option<String>,
    /// Of which intent a dispute is.
    payment_intent: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

/// What an event of this type is about.
pub fn hint(kind: &str, payload: &[u8]) -> Hint {
    let of_payment = kind.starts_with("payment_intent.");
    let of_refund = kind.starts_with("refund.") || kind.starts_with("charge.refund.");
    let of_dispute = kind.starts_with("charge.dispute.");
    if !of_payment && !of_refund && !of_dispute {
        return Hint::Nothing;
    }
    let about = serde_json::from_slice(payload);
    if of_dispute {
        // Whatever else can be read of it: money is at stake.
        let intent = about
            .ok()
            .and_then(|About { data }| data.object.payment_intent);
        return Hint::Dispute(intent.filter(|id| is_name(id)));
    }
    let Ok(About { data }) = about else {
        return Hint::Nobody;
    };
    let Some(metadata) = data.object.metadata else {
        return Hint::Nobody;
    };
    if of_payment {
        match (metadata.payment_id(), data.object.id) {
            (Some(payment_id), Some(reference)) => Hint::Payment(payment_id, reference),
            _ => Hint::Nobody,
        }
    } else {
        metadata.refund_id().map_or(Hint::Nobody, Hint::Refund)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{payment::PaymentId, refund::RefundId};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// Computed by another implementation:
    /// `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const V1: &str = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";

    fn check(header: &str, now: i64) -> Result<(), Forged> {
        verify(
            &Secret::from("whsec_test".to_owned()),
            header,
            BODY,
            at(now),
        )
    }

    #[test]
    fn what_stripe_has_signed_passes() {
        for header in [
            format!("t=1700000000,v1={V1}"),
            format!("t=1700000000, v1={V1}, v0=00"),
            format!("v1={},v1={V1},t=1700000000", "00".repeat(32)),
        ] {
            assert_eq!(check(&header, 1_700_000_000), Ok(()), "{header}");
        }
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_either_way() {
        let header = format!("t=1700000000,v1={V1}");
        for (now, expected) in [
            (1_700_000_300, Ok(())),
            (1_699_999_700, Ok(())),
            (1_700_000_301, Err(Forged::OutOfTime)),
            (1_699_999_699, Err(Forged::OutOfTime)),
        ] {
            assert_eq!(check(&header, now), expected, "{now}");
        }
        // Another time than the one that was signed.
        let forged = format!("t=1700000301,v1={V1}");
        assert_eq!(check(&forged, 1_700_000_301), Err(Forged::Mismatch));
    }

    #[test]
    fn what_is_not_a_signature_is_refused() {
        let short = &V1[..62];
        for header in [
            String::new(),
            "t=1700000000".to_owned(),
            format!("v1={V1}"),
            format!("t=,v1={V1}"),
            format!("t=1700000000,t=1700000000,v1={V1}"),
            format!("t=1700000000,v0={V1}"),
            "t=1700000000,v1=not hex".to_owned(),
        ] {
            assert_eq!(
                check(&header, 1_700_000_000),
                Err(Forged::Malformed),
                "{header}"
            );
        }
        for header in [
            format!("t=1700000000,v1={short}"),
            format!("t=1700000000,v1={}", "00".repeat(32)),
            "t=1700000000,v1=".to_owned(),
        ] {
            assert_eq!(
                check(&header, 1_700_000_000),
                Err(Forged::Mismatch),
                "{header}"
            );
        }
    }

    #[test]
    fn what_is_no_event_is_told_apart_by_its_bytes() {
        for body in [
            &b"no json"[..],
            b"{}",
            b"[]",
            br#"{"id":7,"type":"x"}"#,
            br#"{"id":"","type":"x"}"#,
            br#"{"id":"evt_\u0000","type":"x"}"#,
            b"\xff\xfe",
        ] {
            let read = received(body);
            assert_eq!(read.kind, None);
            assert!(read.event_id.starts_with("sha256:"), "{}", read.event_id);
        }
        assert_ne!(received(b"one").event_id, received(b"two").event_id);
    }

    #[test]
    fn an_event_says_what_it_is_about() {
        let id = uuid::Uuid::from_u128(7);
        let event = |object| json!({"data": {"object": object}}).to_string();
        let payment = event(json!({"id": "pi_1", "metadata": {"payment_id": id.to_string()}}));
        let refund = event(json!({"id": "re_1", "metadata": {"refund_id": id.to_string()}}));
        let nobody = event(json!({"id": "pi_1", "metadata": {"payment_id": "no id"}}));
        let dispute = event(json!({"id": "dp_1", "payment_intent": "pi_1", "metadata": {}}));
        let disputed = |intent: Option<&str>| Hint::Dispute(intent.map(str::to_owned));
        for (kind, payload, expected) in [
            (
                "payment_intent.succeeded",
                &payment,
                Hint::Payment(PaymentId(id), "pi_1".to_owned()),
            ),
            ("refund.updated", &refund, Hint::Refund(RefundId(id))),
            ("charge.refund.updated", &refund, Hint::Refund(RefundId(id))),
            ("payment_intent.succeeded", &nobody, Hint::Nobody),
            ("payment_intent.succeeded", &refund, Hint::Nobody),
            ("refund.created", &payment, Hint::Nobody),
            ("customer.created", &payment, Hint::Nothing),
            ("charge.refunded", &payment, Hint::Nothing),
            ("charge.dispute.created", &dispute, disputed(Some("pi_1"))),
            ("charge.dispute.closed", &dispute, disputed(Some("pi_1"))),
            ("charge.dispute.created", &nobody, disputed(None)),
        ] {
            assert_eq!(hint(kind, payload.as_bytes()), expected, "{kind}");
        }
        assert_eq!(hint("payment_intent.succeeded", b"{}"), Hint::Nobody);
        assert_eq!(hint("charge.dispute.created", b"{}"), disputed(None));
    }
}
