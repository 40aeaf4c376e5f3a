//! A discrepancy as it is shown.

use proto::souk::payment::v1::{Discrepancy, DiscrepancySide};
use proto::souk::r#type::v1::Money;

/// Nanos in one unit.
const NANOS: u32 = 1_000_000_000;
/// Decimals of the finest amount.
const DECIMALS: usize = 9;
/// Decimals that people expect at least.
const LEAST_DECIMALS: usize = 2;

/// One discrepancy, all of it text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// "open", "resolved", "vanished".
    pub state: String,
    /// "missing_here".
    pub kind: String,
    /// "charge", "refund".
    pub object: String,
    /// At which provider.
    pub provider: String,
    /// Our payment or refund.
    pub object_id: String,
    /// Of which order.
    pub order_id: String,
    /// The provider's id.
    pub reference: String,
    /// Our amount, and where it stands: "EUR 42.00 captured".
    pub ours: String,
    /// Theirs.
    pub theirs: String,
    /// What may be done.
    pub proposal: String,
    /// What staff noted.
    pub reason: String,
}

impl From<Discrepancy> for Line {
    fn from(from: Discrepancy) -> Self {
        let short = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_lowercase();
        Self {
            state: short(from.state().as_str_name(), "DISCREPANCY_STATE_"),
            kind: short(from.kind().as_str_name(), "DISCREPANCY_KIND_"),
            object: short(from.object().as_str_name(), "DISCREPANCY_OBJECT_"),
            id: from.id,
            provider: from.provider,
            object_id: from.object_id,
            order_id: from.order_id,
            reference: from.reference,
            ours: from.ours.map(side).unwrap_or_default(),
            theirs: from.theirs.map(side).unwrap_or_default(),
            proposal: from.proposal,
            reason: from.reason,
        }
    }
}

fn side(side: DiscrepancySide) -> String {
    match side.amount {
        Some(amount) => format!("{} {}", money(&amount), side.state),
        None => side.state,
    }
}

fn money(money: &Money) -> String {
    let fraction = format!("{:0DECIMALS$}", money.nanos.unsigned_abs() % NANOS);
    let fine = fraction.trim_end_matches('0').len().max(LEAST_DECIMALS);
    let sign = if money.units < 0 || money.nanos < 0 {
        "-"
    } else {
        ""
    };
    format!(
        "{} {sign}{}.{}",
        money.currency_code,
        money.units.unsigned_abs(),
        &fraction[..fine]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_as_people_read_it() {
        for (units, nanos, text) in [
            (42, 0, "EUR 42.00"),
            (0, 50_000_000, "EUR 0.05"),
            (0, -840_000_000, "EUR -0.84"),
            (-1, -5_000_000, "EUR -1.005"),
        ] {
            let amount = Money {
                currency_code: "EUR".to_owned(),
                units,
                nanos,
            };
            assert_eq!(money(&amount), text);
        }
    }
}
