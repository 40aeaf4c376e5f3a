//! Pages of lists (AIP-158): how large, and where the next one begins.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::Invalid;

/// The longest page token that is looked at, in bytes.
const MAX_TOKEN_LEN: usize = 1024;

/// The size of the page to answer: the default for 0, never more than `max`.
///
/// # Errors
/// [`Invalid`] when it is negative.
pub fn size(requested: i32, default: u32, max: u32) -> Result<u32, Invalid> {
    match u32::try_from(requested) {
        Ok(0) => Ok(default),
        Ok(requested) => Ok(requested.min(max)),
        Err(_) => Err(Invalid::new("page_size", "must not be negative")),
    }
}

/// A token for where the next page begins. It is opaque, not secret.
pub fn encode(position: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

/// Where the page begins; `None` for the first.
///
/// # Errors
/// [`Invalid`] when the token is none of ours.
pub fn decode<T: DeserializeOwned>(token: &str) -> Result<Option<T>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    let refused = || Invalid::new("page_token", "is not a token of this list");
    if token.len() > MAX_TOKEN_LEN {
        return Err(refused());
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_position() {
        assert_eq!(
            decode::<(i64, String)>(&encode(&(7, "a"))),
            Ok(Some((7, "a".to_owned())))
        );
        assert_eq!(decode::<i64>(""), Ok(None));
        assert!(decode::<i64>("garbage!").is_err());
    }

    #[test]
    fn a_page_is_never_larger_than_its_limit() {
        assert_eq!(size(0, 20, 100), Ok(20));
        assert_eq!(size(5000, 20, 100), Ok(100));
        assert!(size(-1, 20, 100).is_err());
    }
}
