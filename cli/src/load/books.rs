//! The books: what the shop has written down, read from its databases, streams
//! and mails, and compared with itself and with what the load has done. Each
//! check is a file and has a name; what offends is named by its id. Nothing in
//! here changes anything.

pub mod snapshot;

mod answers;
mod charges;
mod events;
mod finding;
mod goods;
mod ledger;
mod mails;
mod read;
mod stock;
#[cfg(test)]
mod tests;

pub use finding::Finding;
pub use read::{Sources, Unfinished};
pub use snapshot::Snapshot;

use super::record::Record;

/// All checks.
pub fn audit(snapshot: &Snapshot, record: &Record) -> Vec<Finding> {
    vec![
        answers::answered(snapshot, record),
        answers::once(snapshot, record),
        goods::asked_for(snapshot, record),
        goods::carts(snapshot, record),
        answers::refused(snapshot, record),
        answers::called_off(snapshot, record),
        answers::returned(snapshot, record),
        stock::bounds(snapshot),
        stock::on_hand(snapshot, record),
        stock::reservations(snapshot),
        stock::returns(snapshot),
        stock::hot(snapshot, record),
        charges::captured_once(snapshot),
        charges::given_back(snapshot),
        charges::refunds(snapshot),
        charges::return_refunds(snapshot),
        ledger::balanced(snapshot),
        ledger::cash(snapshot),
        ledger::fees(snapshot),
        ledger::sales(snapshot),
        events::outbox(snapshot),
        events::processed(snapshot),
        events::claimed(snapshot),
        events::announced(snapshot),
        events::dead(snapshot),
        mails::confirmations(snapshot),
        mails::files(snapshot),
    ]
}
