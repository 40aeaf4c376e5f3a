//! A customer's access token and the key that verifies it, for this run alone.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::json;
use svc_kit::auth::{ALGORITHM, Claims, TOKEN_TYPE};
use svc_kit::clock::Clock;
use svc_kit::id::AccountId;
use uuid::Uuid;

const KEY_ID: &str = "bench";
/// Who issues tokens, and for whom.
pub(super) const PARTY: &str = "souk";
/// Longer than a run takes.
const LIFETIME_SECONDS: i64 = 24 * 3600;

/// Who issues the token.
pub(super) struct Issuer {
    key: KeyPair,
}

impl Issuer {
    pub(super) fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ED25519).context("a key to sign tokens")?;
        Ok(Self { key })
    }

    /// What svc-identity would publish.
    pub(super) fn jwks(&self) -> String {
        json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": KEY_ID,
            "x": URL_SAFE_NO_PAD.encode(self.key.public_key_raw()),
        }]})
        .to_string()
    }

    /// A token of a customer.
    pub(super) fn token(&self) -> anyhow::Result<String> {
        let clock = Clock::system();
        let now = clock.now().timestamp();
        let claims = Claims {
            iss: PARTY.to_owned(),
            aud: PARTY.to_owned(),
            sub: AccountId::generate(&clock),
            sid: Uuid::new_v4(),
            roles: vec!["customer".to_owned()],
            exp: now + LIFETIME_SECONDS,
            iat: now,
            nbf: now,
            jti: Uuid::new_v4(),
        };
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(KEY_ID.to_owned()),
            ..Header::new(ALGORITHM)
        };
        let key = EncodingKey::from_ed_der(&self.key.serialize_der());
        jsonwebtoken::encode(&header, &claims, &key).context("a token")
    }
}
