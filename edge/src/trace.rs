//! W3C trace context: continues a caller's trace or starts one, with a span of
//! its own for this hop. <https://www.w3.org/TR/trace-context/>

use std::fmt::{self, Display, Formatter};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

/// The header that carries a trace to the next hop.
pub const TRACEPARENT: &str = "traceparent";
/// The header that tells the caller its trace (W3C trace context, level 2).
pub const TRACERESPONSE: &str = "traceresponse";
/// What vendors add; it is passed on only with a trace that was continued.
pub const TRACESTATE: &str = "tracestate";

const SAMPLED: u8 = 1;

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    id: u128,
    span: u64,
    flags: u8,
    /// Whether the caller began it.
    pub continued: bool,
}

impl Trace {
    /// Continues the trace of the headers with a new span, or starts one.
    pub fn of(headers: &HeaderMap) -> Self {
        let parent = headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .and_then(parse);
        let [t0, t1, t2, t3, t4, t5, t6, t7, rest @ ..] = svc_kit::random::bytes::<24>();
        let span = u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        Self {
            id: parent.map_or_else(|| u128::from_be_bytes(rest).max(1), |(id, _)| id),
            span: span.max(1), // zero is not an id
            flags: parent.map_or(SAMPLED, |(_, flags)| flags),
            continued: parent.is_some(),
        }
    }

    /// As a header's value, for `traceparent` and `traceresponse`.
    pub fn header(&self) -> HeaderValue {
        const SHAPE: &[u8; 55] = b"00-00000000000000000000000000000000-0000000000000000-00";
        let mut text = *SHAPE;
        put_hex(&mut text[3..35], &self.id.to_be_bytes());
        put_hex(&mut text[36..52], &self.span.to_be_bytes());
        put_hex(&mut text[53..], &[self.flags]);
        // Never the fallback: digits and dashes are a value.
        let mut value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&text))
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        // No two are the same: in HPACK's table they would only drive out
        // what repeats.
        value.set_sensitive(true);
        value
    }

    /// The trace's id, in 32 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("{:032x}", self.id)
    }
}

fn put_hex(text: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

/// As it stands in `traceparent` and `traceresponse`.
impl Display for Trace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            id, span, flags, ..
        } = self;
        write!(f, "00-{id:032x}-{span:016x}-{flags:02x}")
    }
}

fn parse(value: &str) -> Option<(u128, u8)> {
    let mut parts = value.trim().split('-');
    let (version, trace_id, span_id, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, digits: usize| {
        text.len() == digits
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    // A later version may have more parts; version 00 has not.
    if !hex(version, 2) || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    if !hex(trace_id, 32) || !hex(span_id, 16) || !hex(flags, 2) {
        return None;
    }
    let trace_id = u128::from_str_radix(trace_id, 16).ok()?;
    let span_id = u64::from_str_radix(span_id, 16).ok()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    (trace_id != 0 && span_id != 0).then_some((trace_id, flags))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(value: &'static str) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(value));
        Trace::of(&headers)
    }

    #[test]
    fn a_trace_is_continued_with_a_span_of_its_own() {
        let trace = of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
        assert!(trace.continued);
        assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
        let passed = trace.to_string();
        assert!(passed.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
        assert!(passed.ends_with("-00"), "not sampled stays not sampled");
        assert!(!passed.contains("b7ad6b7169203331"));
        assert_eq!(trace.header(), passed.as_str());
    }

    #[test]
    fn nonsense_starts_a_new_trace() {
        for bad in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-short-b7ad6b7169203331-01",
        ] {
            let trace = of(bad);
            assert!(!trace.continued, "{bad}");
            assert!(parse(&trace.to_string()).is_some());
        }
    }
}
