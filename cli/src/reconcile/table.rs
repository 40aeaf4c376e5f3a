//! What does not agree, as a table for people.

use std::io::{self, Write};

use super::ask::Reconciled;
use super::line::Line;

const HEAD: [&str; 7] = [
    "id",
    "state",
    "kind",
    "object",
    "object id",
    "ours",
    "theirs",
];

/// Prints a day: a line for each discrepancy, the proposal below it, and a
/// summary.
///
/// # Errors
/// When nobody reads it.
pub fn print(out: &mut impl Write, reconciled: &Reconciled) -> io::Result<()> {
    let rows: Vec<[&str; 7]> = reconciled.discrepancies.iter().map(cells).collect();
    if !rows.is_empty() {
        let widths = widths(&rows);
        row(out, &HEAD, &widths)?;
        for (cells, line) in rows.iter().zip(&reconciled.discrepancies) {
            row(out, cells, &widths)?;
            if line.state == "open" {
                writeln!(out, "    {}", line.proposal)?;
            }
        }
    }
    let records: Vec<String> = reconciled
        .providers
        .iter()
        .map(|(provider, records)| format!("{records} of {provider}"))
        .collect();
    writeln!(
        out,
        "{}: records compared: {}; {} open",
        reconciled.date,
        records.join(", "),
        reconciled.open()
    )
}

fn cells(line: &Line) -> [&str; 7] {
    let named = if line.object_id.is_empty() {
        &line.reference
    } else {
        &line.object_id
    };
    [
        &line.id,
        &line.state,
        &line.kind,
        &line.object,
        named,
        dash(&line.ours),
        dash(&line.theirs),
    ]
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn widths(rows: &[[&str; 7]]) -> [usize; 7] {
    let mut widths = HEAD.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn row(out: &mut impl Write, cells: &[&str; 7], widths: &[usize; 7]) -> io::Result<()> {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, &width)| format!("{cell:width$}"))
        .collect();
    writeln!(out, "{}", padded.join("  ").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_table_with_proposals_for_what_is_open() {
        let open = Line {
            id: "1".to_owned(),
            state: "open".to_owned(),
            kind: "missing_here".to_owned(),
            object: "charge".to_owned(),
            reference: "ch_1".to_owned(),
            theirs: "EUR 1.00 succeeded".to_owned(),
            proposal: "Find out.".to_owned(),
            ..Line::default()
        };
        let closed = Line {
            state: "resolved".to_owned(),
            ..open.clone()
        };
        let mut out = Vec::new();
        let reconciled = Reconciled {
            date: "2026-11-23".to_owned(),
            providers: vec![("sandbox".to_owned(), 7)],
            discrepancies: vec![open, closed],
        };
        print(&mut out, &reconciled).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
id  state     kind          object  object id  ours  theirs
1   open      missing_here  charge  ch_1       -     EUR 1.00 succeeded
    Find out.
1   resolved  missing_here  charge  ch_1       -     EUR 1.00 succeeded
2026-11-23: records compared: 7 of sandbox; 1 open
"
        );
    }
}
