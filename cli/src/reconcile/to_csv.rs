//! What does not agree, as CSV for a spreadsheet.

use std::io::Write;

use anyhow::Context as _;

use super::line::Line;

const HEAD: [&str; 12] = [
    "id",
    "state",
    "kind",
    "object",
    "provider",
    "object_id",
    "order_id",
    "reference",
    "ours",
    "theirs",
    "proposal",
    "reason",
];

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Writes a head and a line for each discrepancy. A cell that a spreadsheet
/// would take for a formula begins with an apostrophe (OWASP, "CSV Injection").
///
/// # Errors
/// When it cannot be written.
pub fn write_csv(out: impl Write, lines: &[Line]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(HEAD)?;
    for line in lines {
        let cells = [
            &line.id,
            &line.state,
            &line.kind,
            &line.object,
            &line.provider,
            &line.object_id,
            &line.order_id,
            &line.reference,
            &line.ours,
            &line.theirs,
            &line.proposal,
            &line.reason,
        ];
        writer.write_record(cells.map(|cell| harmless(cell)))?;
    }
    writer.flush().context("flush")
}

fn harmless(cell: &str) -> String {
    if cell.starts_with(FORMULA) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        let line = Line {
            id: "1".to_owned(),
            reference: "=HYPERLINK(\"http://x\")".to_owned(),
            proposal: "Ask, then \"act\".".to_owned(),
            reason: "first\nsecond".to_owned(),
            ours: "-1".to_owned(),
            theirs: "@x".to_owned(),
            object_id: "+1".to_owned(),
            order_id: "\t=1".to_owned(),
            ..Line::default()
        };
        let mut out = Vec::new();
        write_csv(&mut out, &[line]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text.split_once('\n').unwrap().1,
            "1,,,,,'+1,'\t=1,\"'=HYPERLINK(\"\"http://x\"\")\",'-1,'@x,\
             \"Ask, then \"\"act\"\".\",\"first\nsecond\"\n"
        );
        let mut read = csv::Reader::from_reader(text.as_bytes());
        let record = read.records().next().unwrap().unwrap();
        assert_eq!(&record[11], "first\nsecond");
        assert_eq!(record.len(), HEAD.len());
    }
}
