//! Cross-origin requests of browsers: which origins may read our answers.
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>

use std::collections::HashSet;

use http::{
    HeaderMap, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
};
use pingora::http::ResponseHeader;

const METHODS: &str = "GET, HEAD, POST";
const HEADERS: &str = "authorization, content-type, grpc-timeout, x-grpc-web, x-user-agent, \
                       traceparent, tracestate";
const EXPOSED: &str = "grpc-status, grpc-message, grpc-status-details-bin, cache-status, \
                       traceresponse, retry-after, ratelimit, ratelimit-policy";
/// How long a browser may keep the answer to a preflight.
const MAX_AGE_SECONDS: &str = "7200";

/// The origins that are let in.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: HashSet<HeaderValue>,
}

impl Cors {
    /// Takes origins such as "https://shop.example".
    ///
    /// # Errors
    /// When one is not an origin: it has a path, or no scheme.
    pub fn new(origins: &[String]) -> anyhow::Result<Self> {
        let origins = origins
            .iter()
            .map(|origin| origin.trim())
            .filter(|origin| !origin.is_empty())
            .map(|origin| {
                let host = origin
                    .strip_prefix("https://")
                    .or_else(|| origin.strip_prefix("http://"));
                match host {
                    Some(host) if !host.is_empty() && !host.contains(['/', '*', ' ']) => {
                        Ok(HeaderValue::from_str(origin)?)
                    }
                    _ => anyhow::bail!("\"{origin}\" is not an origin like https://shop.example"),
                }
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { origins })
    }

    /// The request's origin, when it is one that is let in.
    pub fn admitted(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.origins.get(origin).cloned()
    }
}

/// Whether a browser asks for permission first.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Lets the origin read the answer. The answer differs by origin, also when
/// the origin is not let in.
///
/// # Errors
/// Never in practice: all values are valid headers.
pub fn allow(answer: &mut ResponseHeader, origin: Option<&HeaderValue>) -> pingora::Result<()> {
    answer.append_header(VARY, HeaderValue::from_static("origin"))?;
    if let Some(origin) = origin {
        answer.insert_header(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())?;
        answer.insert_header(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)?;
    }
    Ok(())
}

/// What a preflight learns besides.
///
/// # Errors
/// Never in practice: all values are valid headers.
pub fn allow_preflight(answer: &mut ResponseHeader) -> pingora::Result<()> {
    answer.insert_header(ACCESS_CONTROL_ALLOW_METHODS, METHODS)?;
    answer.insert_header(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS)?;
    answer.insert_header(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_are_admitted() {
        let cors = Cors::new(&["https://shop.example".to_owned()]).unwrap();
        let admitted = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            cors.admitted(&headers).is_some()
        };
        assert!(admitted("https://shop.example"));
        assert!(!admitted("http://shop.example"));
        assert!(!admitted("https://shop.example.evil.example"));
        assert!(!admitted("null"));
    }

    #[test]
    fn what_is_no_origin_is_refused_at_the_start() {
        for bad in ["*", "shop.example", "https://", "https://shop.example/"] {
            assert!(Cors::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
