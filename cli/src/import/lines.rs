//! Splits a file into records, keeping count of its lines. A record beyond
//! the limit is passed over without being held.

use std::io::{self, BufRead};

/// The longest record that is read.
pub(super) const LINE_BYTES: usize = 1024 * 1024;
/// What some programs put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A record of the file, without the end of its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it begins, from 1.
    pub(super) number: u64,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// It has that many bytes.
    TooLong(u64),
    /// A quote that is never closed.
    Unclosed,
}

/// What ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// Every end of a line.
    AtEachLine,
    /// An end of a line that is not between quotes (RFC 4180).
    OutsideQuotes,
}

/// Reads records.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    ends: Ends,
    next: u64,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(reader: R, ends: Ends) -> Self {
        Self {
            reader,
            ends,
            next: 1,
            bytes: 0,
        }
    }

    /// Read so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next record; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let number = self.next;
        let began = self.bytes;
        let mut kept = Vec::new();
        let mut too_long = false;
        let mut quoted = false;
        loop {
            let chunk = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                if self.bytes == began {
                    return Ok(None);
                }
                break;
            }
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(chunk.len(), |at| at + 1);
            let piece = &chunk[..taken];
            if self.ends == Ends::OutsideQuotes {
                quoted = piece
                    .iter()
                    .fold(quoted, |quoted, byte| quoted ^ (*byte == b'"'));
            }
            if kept.len() + piece.len() > LINE_BYTES + 2 {
                too_long = true;
                kept = Vec::new();
            }
            if !too_long {
                kept.extend_from_slice(piece);
            }
            self.reader.consume(taken);
            self.bytes += taken as u64;
            if newline.is_some() {
                self.next += 1;
                if !quoted {
                    break;
                }
            }
        }
        let content = if quoted {
            Content::Unclosed
        } else if too_long {
            Content::TooLong(self.bytes - began)
        } else {
            Content::Bytes(trimmed(kept, number == 1))
        };
        Ok(Some(Line { number, content }))
    }
}

fn trimmed(mut bytes: Vec<u8>, first: bool) -> Vec<u8> {
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    if bytes.ends_with(b"\r") {
        bytes.pop();
    }
    if first && bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], ends: Ends) -> Vec<(u64, Content)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(7, text), ends);
        std::iter::from_fn(|| lines.next().unwrap())
            .map(|line| (line.number, line.content))
            .collect()
    }

    fn bytes(text: &str) -> Content {
        Content::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_counted_with_and_without_a_last_newline() {
        let expected = vec![(1, bytes("one")), (2, bytes("")), (3, bytes("three"))];
        assert_eq!(all(b"one\r\n\nthree", Ends::AtEachLine), expected);
        assert_eq!(
            all(b"\xef\xbb\xbfone\n\nthree\n", Ends::AtEachLine),
            expected
        );
        assert_eq!(all(b"", Ends::AtEachLine), []);
    }

    #[test]
    fn a_quoted_newline_continues_the_record() {
        assert_eq!(
            all(b"a,\"b\nc\"\nd,\"e\"\"f\"\n", Ends::OutsideQuotes),
            [(1, bytes("a,\"b\nc\"")), (3, bytes("d,\"e\"\"f\""))]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_apart() {
        assert_eq!(
            all(b"a\n\"b\nc\n", Ends::OutsideQuotes),
            [(1, bytes("a")), (2, Content::Unclosed)]
        );
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_and_the_count_goes_on() {
        let mut text = vec![b'x'; LINE_BYTES + 10];
        text.extend_from_slice(b"\nnext\n");
        assert_eq!(
            all(&text, Ends::AtEachLine),
            [
                (1, Content::TooLong(LINE_BYTES as u64 + 11)),
                (2, bytes("next"))
            ]
        );
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_read() {
        let mut text = vec![b'x'; LINE_BYTES];
        text.extend_from_slice(b"\r\n");
        assert!(matches!(
            &all(&text, Ends::AtEachLine)[..],
            [(1, Content::Bytes(bytes))] if bytes.len() == LINE_BYTES
        ));
    }
}
