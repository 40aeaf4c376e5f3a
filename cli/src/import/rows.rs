//! The rows of a file, good and bad, in its order.

use std::fmt;
use std::io::{self, BufRead};
use std::path::Path;

use proto::souk::catalog::v1::ImportRow;

use super::bad::{Bad, Refusal};
use super::csv_row::Header;
use super::field::Fields;
use super::lines::{Content, Ends, LINE_BYTES, Line, Lines};
use super::money::Currency;
use super::{json_row, row};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
}

impl Format {
    /// What the file's name says.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Where rows come from.
pub struct Source {
    /// The bytes.
    pub reader: Box<dyn BufRead + Send>,
    /// How they are written.
    pub format: Format,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Reads rows one by one.
pub(super) struct Rows {
    lines: Lines<Box<dyn BufRead + Send>>,
    format: Format,
    header: Option<Header>,
    currency: Currency,
}

impl Rows {
    pub(super) fn new(source: Source, currency: Currency) -> Self {
        let ends = match source.format {
            Format::Jsonl => Ends::AtEachLine,
            Format::Csv => Ends::OutsideQuotes,
        };
        Self {
            lines: Lines::new(source.reader, ends),
            format: source.format,
            header: None,
            currency,
        }
    }

    /// Bytes read so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// The next row; `None` at the end. Empty lines are passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<ImportRow, Bad>>> {
        while let Some(Line { number, content }) = self.lines.next()? {
            let bytes = match content {
                Content::Bytes(bytes) if bytes.trim_ascii().is_empty() => continue,
                Content::Bytes(bytes) => bytes,
                Content::TooLong(bytes) => {
                    let why = format!("{bytes} bytes; {LINE_BYTES} is the most");
                    return Ok(Some(Err(Bad::new(number, "LINE_TOO_LONG", why))));
                }
                Content::Unclosed => {
                    let why = "a quote that is never closed";
                    return Ok(Some(Err(Bad::new(number, "NOT_CSV", why))));
                }
            };
            if self.format == Format::Csv && self.header.is_none() {
                let header = Header::parse(&bytes).map_err(|refusal| {
                    io::Error::new(io::ErrorKind::InvalidData, refusal.at(number).to_string())
                })?;
                self.header = Some(header);
                continue;
            }
            let row = self
                .fields(&bytes)
                .and_then(|fields| row::product(number, fields, self.currency))
                .map_err(|refusal| refusal.at(number));
            return Ok(Some(row));
        }
        Ok(None)
    }

    fn fields(&self, line: &[u8]) -> Result<Fields, Refusal> {
        match &self.header {
            Some(header) => header.row(line),
            None => json_row::parse(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, format: Format) -> Vec<Result<i64, (u64, String)>> {
        let source = Source {
            reader: Box::new(io::Cursor::new(text.to_owned())),
            format,
        };
        let mut rows = Rows::new(source, Currency::default());
        std::iter::from_fn(|| rows.next().unwrap())
            .map(|row| {
                row.map(|row| row.line)
                    .map_err(|bad| (bad.line, bad.reason.into_owned()))
            })
            .collect()
    }

    #[test]
    fn bad_lines_do_not_stop_the_rest() {
        let text = "{\"sku\": \"1\", \"name\": \"a\", \"category\": \"c\", \"price\": 1}\n\
                    nonsense\n\
                    \n\
                    {\"sku\": \"2\", \"name\": \"b\", \"category\": \"c\", \"price\": 2.5}\n";
        assert_eq!(
            all(text, Format::Jsonl),
            [Ok(1), Err((2, "NOT_JSON".to_owned())), Ok(4)]
        );
    }

    #[test]
    fn csv_lines_are_counted_through_quoted_newlines() {
        let text = "sku,name,category,price,description\n\
                    1,a,c,1.00,\"two\nlines\"\n\
                    2,b,c,1.999,\n\
                    3,c,c,3,\n";
        assert_eq!(
            all(text, Format::Csv),
            [Ok(2), Err((4, "PRICE_TOO_FINE".to_owned())), Ok(5)]
        );
    }

    #[test]
    fn the_products_that_come_with_souk_are_good() {
        let seed = include_str!("../../seed/products.jsonl");
        let rows = all(seed, Format::Jsonl);
        assert_eq!(rows.len(), seed.lines().count());
        assert!(rows.iter().all(Result::is_ok));
    }
}
