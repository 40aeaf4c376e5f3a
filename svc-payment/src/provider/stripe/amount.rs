//! Amounts in Stripe's terms. Stripe counts in minor units of its own, which are
//! not always those of ISO 4217 that we count in:
//! <https://docs.stripe.com/currencies#minor-units>. Whatever goes to Stripe or
//! comes from there as an amount passes here.

use svc_kit::money::{Currency, Money};

/// How Stripe counts a currency.
struct Counted {
    /// So many decimals stand in an amount.
    decimals: u32,
    /// Only multiples of so much are taken.
    step: i64,
}

impl Counted {
    /// None of a currency of which Stripe does not say it: it is not guessed.
    fn of(currency: Currency) -> Option<Self> {
        let (decimals, step) = match currency.code() {
            "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF"
            | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => (0, 1),
            // They have lost their decimals, and are written with them as before.
            "ISK" | "UGX" => (2, 100),
            // The last digit is always 0.
            "BHD" | "JOD" | "KWD" | "OMR" | "TND" => (3, 10),
            _ if currency.minor_digits() == 2 => (2, 1),
            _ => return None,
        };
        Some(Self { decimals, step })
    }
}

/// An amount as Stripe counts it; none if Stripe cannot take exactly that.
pub(super) fn to_stripe(amount: Money) -> Option<i64> {
    let counted = Counted::of(amount.currency)?;
    let ours = amount.currency.minor_digits();
    let theirs = rescaled(amount.minor, ours, counted.decimals)?;
    (theirs % counted.step == 0).then_some(theirs)
}

/// An amount of Stripe's, whose currencies are in lower case; none if it is no
/// amount of ours.
pub(super) fn from_stripe(currency: &str, amount: i64) -> Option<Money> {
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    let counted = Counted::of(currency)?;
    let minor = rescaled(amount, counted.decimals, currency.minor_digits())?;
    Some(Money::new(currency, minor))
}

/// The same amount with another number of decimals; none if it cannot be written
/// so.
fn rescaled(amount: i64, decimals: u32, wanted: u32) -> Option<i64> {
    let factor = 10_i64.checked_pow(wanted.abs_diff(decimals))?;
    if wanted >= decimals {
        amount.checked_mul(factor)
    } else {
        (amount % factor == 0).then_some(amount / factor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(currency: &str, minor: i64) -> Money {
        Money::new(currency.parse().unwrap(), minor)
    }

    #[test]
    fn an_amount_is_counted_as_stripe_counts_it() {
        for (currency, minor, theirs) in [
            ("USD", 42_00, Some(42_00)),
            ("EUR", 1, Some(1)),
            ("JPY", 500, Some(500)),
            // Two decimals for us, none for Stripe.
            ("MGA", 1_00, Some(1)),
            ("MGA", 1_20, None),
            // None for us, two for Stripe.
            ("ISK", 5, Some(5_00)),
            ("UGX", 5, Some(5_00)),
            ("KWD", 5_120, Some(5_120)),
            ("KWD", 5_124, None),
            // For payouts alone they have no decimals.
            ("HUF", 1_01, Some(1_01)),
            ("TWD", 1_01, Some(1_01)),
            // Stripe says nothing of them.
            ("IQD", 1_000, None),
            ("CLF", 1_0000, None),
            ("ISK", i64::MAX, None),
        ] {
            let amount = money(currency, minor);
            assert_eq!(to_stripe(amount), theirs, "{amount}");
        }
    }

    #[test]
    fn an_amount_of_stripes_is_ours_or_none() {
        for (currency, theirs, ours) in [
            ("usd", 42_00, Some(money("USD", 42_00))),
            ("jpy", 500, Some(money("JPY", 500))),
            ("mga", 1, Some(money("MGA", 1_00))),
            ("isk", 5_00, Some(money("ISK", 5))),
            ("isk", 5_50, None),
            ("kwd", 5_120, Some(money("KWD", 5_120))),
            ("xxx", 1, None),
            ("", 1, None),
            ("mga", i64::MAX, None),
        ] {
            assert_eq!(from_stripe(currency, theirs), ours, "{currency} {theirs}");
        }
    }

    fn currency() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "EUR", "USD", "HUF", "JPY", "KRW", "MGA", "XPF", "ISK", "UGX", "BHD", "KWD", "TND",
            "IQD", "CLF",
        ])
    }

    proptest! {
        #[test]
        fn what_stripe_takes_comes_back_as_it_was(currency in currency(), minor: i64) {
            let amount = money(currency, minor);
            if let Some(theirs) = to_stripe(amount) {
                let code = currency.to_ascii_lowercase();
                prop_assert_eq!(from_stripe(&code, theirs), Some(amount));
            }
        }

        #[test]
        fn what_stripe_has_taken_is_said_back_as_it_was(currency in currency(), theirs: i64) {
            let code = currency.to_ascii_lowercase();
            if let Some(ours) = from_stripe(&code, theirs) {
                // Of the last digit only 0 is taken, and any is understood.
                let again = to_stripe(ours);
                prop_assert!(again.is_none_or(|again| again == theirs), "{:?}", again);
            }
        }

        #[test]
        fn whole_units_are_taken_of_whatever_stripe_counts(
            currency in currency(), units in 0..1_000_000_i64,
        ) {
            let unit = 10_i64.pow(money(currency, 0).currency.minor_digits());
            let amount = money(currency, units * unit);
            let counts = !matches!(currency, "IQD" | "CLF");
            prop_assert_eq!(to_stripe(amount).is_some(), counts);
        }
    }
}
