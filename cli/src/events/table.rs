//! Dead letters in rows: a table for people, a line of JSON for programs. No
//! payload is in either.

use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde_json::{Value as Json, json};
use svc_kit::dead_letter::DeadLetter;

/// The heads of the columns.
const HEADS: [&str; 7] = [
    "SEQUENCE",
    "TIME",
    "CONSUMER",
    "SUBJECT",
    "AGGREGATE",
    "ATTEMPTS",
    "REASON",
];

/// A table with a line for each.
pub fn table(letters: &[DeadLetter]) -> String {
    let rows: Vec<[String; 7]> = letters.iter().map(cells).collect();
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEADS[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    let heads = HEADS.map(str::to_owned);
    for row in std::iter::once(&heads).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _infallible = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cells(dead: &DeadLetter) -> [String; 7] {
    [
        dead.sequence.to_string(),
        dead.time.to_rfc3339_opts(SecondsFormat::Secs, true),
        dead.consumer.clone(),
        dead.subject.clone(),
        dead.aggregate_id.clone(),
        dead.attempts.to_string(),
        dead.reason.clone(),
    ]
}

/// The same as one object.
pub fn json_line(dead: &DeadLetter) -> Json {
    json!({
        "sequence": dead.sequence,
        "time": dead.time.to_rfc3339_opts(SecondsFormat::Millis, true),
        "consumer": dead.consumer,
        "subject": dead.subject,
        "aggregate_id": dead.aggregate_id,
        "event_id": dead.event_id,
        "event_type": dead.event_type,
        "event_time": dead.event_time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true)),
        "trace_parent": dead.trace_parent,
        "attempts": dead.attempts,
        "reason": dead.reason,
    })
}
