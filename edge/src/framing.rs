//! How a request of HTTP/1 may be spelt. Where the standard lets a reader be
//! lenient, two servers in a row may read two different requests; so what can
//! be read in two ways is refused, by the bytes as they came (RFC 9112).

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

const LINE_END: &[u8] = b"\r\n";
const HEAD_END: &[u8] = b"\r\n\r\n";
/// The one transfer coding that is taken.
const CHUNKED: &[u8] = b"chunked";
/// Digits that a length may have: enough for all of an `i64`.
const MAX_LENGTH_DIGITS: usize = 18;

/// Whether the head of a request can be read in one way only:
/// - lines end in CR LF, and neither stands elsewhere (sections 2.2 and 5);
/// - one space stands between the parts of the first line (section 3);
/// - no line continues another, and no space stands before a colon (section 5);
/// - there are no control characters (RFC 9110, section 5.5);
/// - the length of the body is said once, in one way (section 6.3).
pub fn is_unambiguous(head: &[u8]) -> bool {
    let mut head = head;
    while let Some(rest) = head.strip_prefix(LINE_END) {
        head = rest; // old clients end a body with one (section 2.2)
    }
    let Some(head) = head.strip_suffix(HEAD_END) else {
        return false;
    };
    let mut lines = Lines(Some(head));
    let first = lines.next().is_some_and(is_request_line);
    let mut framing = Framing::default();
    first && lines.all(|line| framing.reads(line))
}

/// The parts between line ends.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let end = rest.windows(LINE_END.len()).position(|two| two == LINE_END);
        let (line, rest) = match end {
            Some(end) => (&rest[..end], Some(&rest[end + LINE_END.len()..])),
            None => (rest, None),
        };
        self.0 = rest;
        Some(line)
    }
}

fn is_request_line(line: &[u8]) -> bool {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_visible = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_graphic);
    // A fragment is never sent (RFC 9110, section 4.2.5).
    is_token(method) && is_visible(target) && !target.contains(&b'#') && is_visible(version)
}

/// What the headers so far say about the body.
#[derive(Default)]
struct Framing {
    said: bool,
}

impl Framing {
    /// Whether a header line makes sense, after those before it.
    fn reads(&mut self, line: &[u8]) -> bool {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return false;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let value = trim_ows(value);
        if !is_token(name) || !is_text(value) {
            return false;
        }
        let is_length = name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str().as_bytes());
        let is_coding = name.eq_ignore_ascii_case(TRANSFER_ENCODING.as_str().as_bytes());
        if is_length || is_coding {
            let known = if is_length {
                is_decimal(value)
            } else {
                value.eq_ignore_ascii_case(CHUNKED)
            };
            return known && !std::mem::replace(&mut self.said, true);
        }
        true
    }
}

/// Without the spaces and tabs around it, and those alone (RFC 9110, section
/// 5.6.3): a bare CR there is no white space.
fn trim_ows(value: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !b" \t".contains(byte);
    let begin = value.iter().position(is_text).unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(is_text)
        .map_or(begin, |last| last + 1);
    &value[begin..end]
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// No control characters but the tab. What is not ASCII is opaque.
fn is_text(value: &[u8]) -> bool {
    value
        .iter()
        .all(|byte| !byte.is_ascii_control() || *byte == b'\t')
}

fn is_decimal(value: &[u8]) -> bool {
    (1..=MAX_LENGTH_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Any: \u{e9}\t ok \r\nempty:\r\n\r\n";

    #[test]
    fn ordinary_heads_pass() {
        for head in [
            GOOD,
            "GET / HTTP/1.0\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n",
        ] {
            assert!(is_unambiguous(head.as_bytes()), "{head:?}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for head in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\n",
            "GET / HTTP/1.1\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\ny: z\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\ry: z\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nhost : x\r\n\r\n",
            "GET / HTTP/1.1\r\n: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\0\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: \u{1}\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET /  HTTP/1.1\r\n\r\n",
            "GET / a HTTP/1.1\r\n\r\n",
            "GET / HTTP/\r1.1\r\n\r\n",
            "GET /#a HTTP/1.1\r\n\r\n",
            "G(T / HTTP/1.1\r\n\r\n",
            "GET\t/ HTTP/1.1\r\n\r\n",
            " GET / HTTP/1.1\r\n\r\n",
            "P / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "P / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
            "P / HTTP/1.1\r\ncontent-length: 1, 1\r\n\r\n",
            "P / HTTP/1.1\r\ncontent-length: +1\r\n\r\n",
            "P / HTTP/1.1\r\ncontent-length: 0x1\r\n\r\n",
            "P / HTTP/1.1\r\ncontent-length:\r\n\r\n",
            "P / HTTP/1.1\r\ncontent-length: 9999999999999999999\r\n\r\n",
            "P / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "P / HTTP/1.1\r\ntransfer-encoding: \u{b}chunked\r\n\r\n",
            "P / HTTP/1.1\r\ntransfer-encoding: identity\r\n\r\n",
            "P / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            assert!(!is_unambiguous(head.as_bytes()), "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(head in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = is_unambiguous(&head);
        }

        #[test]
        fn no_stray_line_end_passes(at in 0..GOOD.len(), end in "\r|\n|\n\n|\0") {
            let mut head = GOOD.as_bytes().to_vec();
            head.splice(at..at, end.bytes());
            // A bare CR or LF somewhere, or the head's end too early.
            let judged = is_unambiguous(&head);
            let doubled = head.windows(2).filter(|two| two == b"\r\n").count();
            let stray = head.iter().filter(|byte| b"\r\n".contains(byte)).count() != 2 * doubled;
            prop_assert!(!judged || !stray && !head.contains(&0));
        }
    }
}
