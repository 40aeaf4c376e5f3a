//! A row of a CSV file (RFC 4180) with a header.

use super::bad::Refusal;
use super::field::{Field, Fields};

/// Separates the values of a list within a field.
const LIST_SEPARATOR: char = '|';
/// The fields that are lists.
const LISTS: [&str; 1] = ["images"];

/// The names of the columns.
#[derive(Debug)]
pub(super) struct Header(Vec<String>);

impl Header {
    /// Reads the first record.
    pub(super) fn parse(record: &[u8]) -> Result<Self, Refusal> {
        let names: Vec<String> = values(record)?
            .into_iter()
            .map(|name| name.trim().to_owned())
            .collect();
        if !names.iter().any(|name| name == "name" || name == "title") {
            return Err(Refusal::new(
                "HEADER_MISSING",
                "the first line must name the columns, among them name or title",
            ));
        }
        Ok(Self(names))
    }

    /// Reads one of the others. Empty fields are left out.
    pub(super) fn row(&self, record: &[u8]) -> Result<Fields, Refusal> {
        let values = values(record)?;
        if values.len() != self.0.len() {
            return Err(Refusal::new(
                "NOT_CSV",
                format!("{} fields instead of {}", values.len(), self.0.len()),
            ));
        }
        Ok(self
            .0
            .iter()
            .zip(values)
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .map(|(name, value)| (name.clone(), field(name, value)))
            .collect())
    }
}

fn field(name: &str, value: String) -> Field {
    if LISTS.contains(&name) {
        Field::List(value.split(LIST_SEPARATOR).map(str::to_owned).collect())
    } else {
        Field::Text(value)
    }
}

fn values(record: &[u8]) -> Result<Vec<String>, Refusal> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(record);
    let mut read = csv::StringRecord::new();
    let found = reader
        .read_record(&mut read)
        .map_err(|_| Refusal::new("NOT_UTF8", "the line is not UTF-8"))?;
    if !found {
        return Err(Refusal::new("NOT_CSV", "no fields"));
    }
    Ok(read.iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_its_names_from_the_header() {
        let header = Header::parse(b"id,name,price,images,color").unwrap();
        assert_eq!(
            header.row(b"7,\"Tent, large\",9.90,a.jpg|b.jpg,").unwrap(),
            [
                ("id".to_owned(), Field::Text("7".to_owned())),
                ("name".to_owned(), Field::Text("Tent, large".to_owned())),
                ("price".to_owned(), Field::Text("9.90".to_owned())),
                (
                    "images".to_owned(),
                    Field::List(vec!["a.jpg".to_owned(), "b.jpg".to_owned()])
                ),
            ]
        );
        assert_eq!(header.row(b"7,Tent").unwrap_err().reason, "NOT_CSV");
    }

    #[test]
    fn a_file_without_a_header_is_refused() {
        assert_eq!(
            Header::parse(b"7,Tent,9.90").unwrap_err().reason,
            "HEADER_MISSING"
        );
    }
}
