//! Amounts in billionths of a unit, to be compared and added.

use proto::souk::{payment::v1::LedgerBalance, r#type::v1::Money};

/// An amount; nothing is zero.
pub fn nanos(money: Option<&Money>) -> i128 {
    money.map_or(0, |money| {
        i128::from(money.units) * 1_000_000_000 + i128::from(money.nanos)
    })
}

/// The sum of all accounts of a ledger, which must be zero.
pub fn sum(balances: &[LedgerBalance]) -> i128 {
    balances
        .iter()
        .map(|entry| nanos(entry.balance.as_ref()))
        .sum()
}

/// What lies at the payment providers.
pub fn cash(balances: &[LedgerBalance]) -> i128 {
    of(balances, "cash_at_provider")
}

/// What customers have paid and not got back, whatever the providers kept.
pub fn paid(balances: &[LedgerBalance]) -> i128 {
    -of(balances, "revenue") - of(balances, "refunds")
}

fn of(balances: &[LedgerBalance], account: &str) -> i128 {
    balances
        .iter()
        .filter(|entry| entry.account == account)
        .map(|entry| nanos(entry.balance.as_ref()))
        .sum()
}
