//! All SQL of this service, a table a file.

pub mod checkouts;
pub mod ledger;
pub mod payments;
pub mod provider_calls;
pub mod refunds;
pub(crate) mod sandbox;
pub mod wake;
pub mod webhook_events;

use std::time::Duration;

use svc_kit::{
    error::StoreError,
    money::{Currency, Money},
};

/// A column's text as the domain means it.
fn read<T>(table: &'static str, text: &str) -> Result<T, StoreError>
where
    T: std::str::FromStr<Err: ToString>,
{
    text.parse().map_err(|why: T::Err| StoreError::Corrupt {
        table,
        why: why.to_string(),
    })
}

fn money(table: &'static str, currency: &str, minor: i64) -> Result<Money, StoreError> {
    Ok(Money::new(read::<Currency>(table, currency)?, minor))
}

fn count(table: &'static str, count: i32) -> Result<u32, StoreError> {
    u32::try_from(count).map_err(|_| StoreError::Corrupt {
        table,
        why: format!("{count} attempts"),
    })
}

/// How long who has claimed something may take with it. Longer than a call to
/// the provider and what is written before and after it.
pub const LEASE: Duration = Duration::from_secs(30);
