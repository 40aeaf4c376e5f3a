//! What headers a request must have, what a caller may not say to a service,
//! and what every answer carries.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
        HOST, SERVER, STRICT_TRANSPORT_SECURITY, TE, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
    },
};
use pingora::{
    ErrorType, OrErr as _, Result,
    http::{RequestHeader, ResponseHeader},
};
use proto::policy::Access;

use crate::{
    address::X_FORWARDED_FOR,
    context::Context,
    cors,
    deadline::GRPC_TIMEOUT,
    limit::standing::{RATELIMIT, RATELIMIT_POLICY},
    protocol::Protocol,
    refusal::Refusal,
    trace::{TRACEPARENT, TRACERESPONSE, TRACESTATE},
};

/// Headers that a request may have.
const MAX_HEADERS: usize = 100;
/// Bytes that they may have together.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Bytes that path and query may have.
const MAX_TARGET_BYTES: usize = 8 * 1024;
/// What a browser may do with an answer that it shows by itself: nothing.
/// Neither an API's answers nor pictures need more.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// Two years, as browsers' lists ask for.
const HSTS: &str = "max-age=63072000; includeSubDomains";

/// Headers of our own: between services, never from a caller.
const OWN_PREFIX: &str = "souk-";
/// In it frameworks name themselves.
const X_POWERED_BY: &str = "x-powered-by";
/// Headers in which proxies speak of callers...
const FORWARDING_PREFIX: &str = "x-forwarded-";
/// ...and those that have other names.
const FORWARDING: [&str; 3] = ["x-real-ip", "forwarded", "via"];
/// Headers in which proxies of some kinds say what was asked for: frameworks
/// believe them more than the request, and the cache keeps by the request.
const RETARGETING: [&str; 3] = ["x-original-url", "x-rewrite-url", "x-original-host"];
/// Headers that frameworks take for the method.
const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];
/// What we say to an origin in the caller's place, and what is another for
/// each caller.
const WRITTEN: [&str; 3] = [TRACEPARENT, TRACESTATE, X_FORWARDED_FOR];

/// What a message is read by.
const FRAME: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

/// Headers of one connection that would change what the next one speaks.
const HOP_BY_HOP: [&str; 3] = ["upgrade", "http2-settings", "proxy-connection"];

/// Whether a request can be looked at at all.
///
/// # Errors
/// When it names no host, or its headers are over the limits.
pub fn check(request: &RequestHeader) -> Result<(), Refusal> {
    let has_host = request.headers.contains_key(HOST) || request.uri.authority().is_some();
    if request.version < Version::HTTP_2 && !has_host {
        return Err(Refusal::HostMissing);
    }
    if request.raw_path().len() > MAX_TARGET_BYTES {
        return Err(Refusal::TargetTooLong);
    }
    if !is_visible(request.raw_path()) {
        return Err(Refusal::RequestMalformed);
    }
    let bytes: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if request.headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(Refusal::HeadersTooLarge);
    }
    Ok(())
}

/// Whether a target is in the characters that one may have; escaped, all
/// others may, too.
fn is_visible(target: &[u8]) -> bool {
    target.iter().all(u8::is_ascii_graphic)
}

/// Turns a caller's request into one for a service.
///
/// # Errors
/// Never in practice: all values are valid headers.
pub fn to_service(request: &mut RequestHeader, context: &Context, peer: IpAddr) -> Result<()> {
    let is_origin = context
        .route
        .as_ref()
        .is_some_and(|route| route.site().is_some());
    if is_origin {
        remove(request, is_kept_from_origins);
    } else {
        remove(request, is_kept_from_services);
    }
    let needs_token = context.route.as_ref().is_some_and(|route| {
        // An origin may know callers by itself; a PUBLIC method must not.
        route.site().is_some() || matches!(route.access(), Access::Customer | Access::Staff)
    });
    if !needs_token {
        request.remove_header(&AUTHORIZATION);
    }
    if !context.trace.continued {
        request.remove_header(TRACESTATE);
    }
    request.insert_header(TRACEPARENT, context.trace.header())?;
    let forwarded_for = if context.caller == peer {
        peer.to_string()
    } else {
        format!("{}, {peer}", context.caller)
    };
    request.insert_header(X_FORWARDED_FOR, forwarded_for)?;
    let scheme = if context.secure { "https" } else { "http" };
    request.insert_header("x-forwarded-proto", scheme)?;
    if context.protocol.is_grpc() {
        // Services compare them letter by letter.
        request.insert_header(CONTENT_TYPE, context.protocol.content_type())?;
        if context.protocol != Protocol::Grpc {
            request.insert_header(ACCEPT, context.protocol.content_type())?;
        }
        // The step from HTTP/1 drops it, and gRPC asks for it.
        request.insert_header(TE, "trailers")?;
        match context.deadline.left() {
            Some(left) => {
                let mut left = HeaderValue::try_from(svc_kit::deadline::format(left))
                    .or_err(ErrorType::InternalError, "a timeout is not a header")?;
                // It hardly repeats: HPACK's table is for what does.
                left.set_sensitive(true);
                request.insert_header(GRPC_TIMEOUT, left)?;
            }
            None => {
                request.remove_header(GRPC_TIMEOUT);
            }
        }
    }
    Ok(())
}

/// The headers that `Connection` names: they are said to the next hop alone
/// (RFC 9110, section 7.6.1). What frames a message, and whom it is for, nobody
/// can take out by naming it.
pub fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| !FRAME.contains(name))
        .collect()
}

/// Takes out headers by their names.
pub fn remove(request: &mut RequestHeader, is_out: impl Fn(&HeaderName) -> bool) {
    let names = request.headers.keys();
    let out: Vec<HeaderName> = names.filter(|name| is_out(name)).cloned().collect();
    for name in &out {
        request.remove_header(name);
    }
}

/// Whether a caller may not say this to anybody behind us.
fn is_kept_from_services(name: &HeaderName) -> bool {
    reads_as(name, |name| {
        name.starts_with(OWN_PREFIX)
            || name.starts_with(FORWARDING_PREFIX)
            || FORWARDING.contains(&name)
            || HOP_BY_HOP.contains(&name)
    })
}

/// Whether a caller may not say this to an origin.
pub fn is_kept_from_origins(name: &HeaderName) -> bool {
    is_kept_from_services(name) || reads_as(name, |name| RETARGETING.contains(&name))
}

/// Whether a framework may take this for the method.
pub fn is_method_override(name: &HeaderName) -> bool {
    reads_as(name, |name| METHOD_OVERRIDES.contains(&name))
}

/// Whether an origin hears this from us, and not what the caller said.
pub fn is_written(name: &HeaderName) -> bool {
    WRITTEN.contains(&name.as_str())
}

/// Whether a name is one of these, or is to a server that makes variables of
/// headers: there `_` and `-` are the same (RFC 3875, section 4.1.18).
fn reads_as(name: &HeaderName, is_one: impl Fn(&str) -> bool) -> bool {
    let name = name.as_str();
    if name.contains('_') {
        is_one(&name.replace('_', "-"))
    } else {
        is_one(name)
    }
}

/// What every answer carries.
///
/// # Errors
/// Never in practice: all values are valid headers.
pub fn dress(answer: &mut ResponseHeader, context: &Context) -> Result<()> {
    // What the services are built of is nobody's business.
    answer.remove_header(&SERVER);
    answer.remove_header(X_POWERED_BY);
    answer.insert_header(TRACERESPONSE, context.trace.header())?;
    answer.insert_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))?;
    if !context.protocol.is_grpc() && !answer.headers.contains_key(CONTENT_SECURITY_POLICY) {
        answer.insert_header(CONTENT_SECURITY_POLICY, NOTHING)?;
    }
    if context.secure {
        answer.insert_header(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS))?;
    }
    if let Some(cache) = context.cache.header() {
        answer.append_header("cache-status", cache)?; // others may stand before us
    }
    if let Some(standing) = &context.standing {
        answer.insert_header(RATELIMIT_POLICY, standing.policy.clone())?;
        answer.insert_header(RATELIMIT, standing.left.clone())?;
    }
    cors::allow(answer, context.origin.as_ref())
}

/// What a request says about the length of its body.
pub fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(CONTENT_LENGTH)
        .and_then(|value: &HeaderValue| value.to_str().ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::InFlight;

    #[test]
    fn callers_cannot_speak_as_services_or_proxies() {
        let mut request = RequestHeader::build("POST", b"/", None).unwrap();
        for name in [
            "souk-internal",
            "Souk-Anything",
            "Souk_Internal",
            "x-forwarded-for",
            "x-forwarded-prefix",
            "X_Forwarded_For",
            "x-forwarded_host",
            "forwarded",
            "via",
            "x-real-ip",
            "x_real_ip",
            "upgrade",
            "http2-settings",
        ] {
            request.insert_header(name.to_owned(), "me").unwrap();
        }
        request.insert_header("authorization", "Bearer x").unwrap();
        let context = Context::new(&InFlight::default());
        to_service(&mut request, &context, context.caller).unwrap();
        let kept: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        for name in &kept {
            assert!(
                [TRACEPARENT, X_FORWARDED_FOR, "x-forwarded-proto"].contains(name),
                "{name}"
            );
        }
        assert_eq!(request.headers[X_FORWARDED_FOR], "0.0.0.0");
    }

    #[test]
    fn a_connection_names_what_is_its_own_and_never_a_frame() {
        let mut headers = HeaderMap::new();
        for line in ["close, X-Mine ,, a b", "Content-Length, host", "te"] {
            headers.append(CONNECTION, line.parse().unwrap());
        }
        headers.append(CONNECTION, "transfer-encoding".parse().unwrap());
        assert_eq!(named_by_connection(&headers), ["close", "x-mine", "te"]);
    }

    #[test]
    fn too_many_or_too_long_headers_are_refused() {
        let request = |count: usize, bytes: usize| {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.insert_header("host", "x").unwrap();
            for n in 0..count {
                request
                    .insert_header(format!("x-{n}"), "v".repeat(bytes))
                    .unwrap();
            }
            check(&request)
        };
        assert_eq!(request(10, 10), Ok(()));
        assert_eq!(request(101, 1), Err(Refusal::HeadersTooLarge));
        assert_eq!(request(1, 40_000), Err(Refusal::HeadersTooLarge));
        let target = |target: &str| {
            let mut request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
            request.insert_header("host", "x").unwrap();
            check(&request)
        };
        assert_eq!(target("/%20?a=b"), Ok(()));
        let long = format!("/{}", "x".repeat(MAX_TARGET_BYTES));
        assert_eq!(target(&long), Err(Refusal::TargetTooLong));
    }
}
