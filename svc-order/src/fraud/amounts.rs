//! Amounts of several currencies, as an operator writes them down.

use std::{collections::HashMap, str::FromStr};

use svc_kit::money::{Currency, Money};

/// An amount for each of some currencies: "EUR=500.00,JPY=60000".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amounts(HashMap<Currency, i64>);

impl Amounts {
    /// Whether this much is at least the amount of its currency. A currency
    /// without an amount is never reached.
    pub fn are_reached_by(&self, money: Money) -> bool {
        self.0
            .get(&money.currency)
            .is_some_and(|minor| money.minor >= *minor)
    }
}

impl FromStr for Amounts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut amounts = HashMap::new();
        for part in text.split(',') {
            let (code, amount) = part
                .split_once('=')
                .ok_or_else(|| format!("'{part}' is not like EUR=500.00"))?;
            let currency: Currency = code
                .trim()
                .parse()
                .map_err(|error| format!("'{code}': {error}"))?;
            let minor = minor(amount.trim(), currency.minor_digits())
                .ok_or_else(|| format!("'{amount}' is no amount of {currency}"))?;
            if amounts.insert(currency, minor).is_some() {
                return Err(format!("{currency} is there twice"));
            }
        }
        Ok(Self(amounts))
    }
}

/// Minor units of a decimal number with at most so many decimals.
fn minor(text: &str, digits: u32) -> Option<i64> {
    let (units, decimals) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let missing = (digits as usize).checked_sub(decimals.len())?;
    if units.is_empty() || !all_digits(units) || !all_digits(decimals) {
        return None;
    }
    format!("{units}{decimals}{}", "0".repeat(missing))
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_currency_has_its_amount() {
        let amounts: Amounts = "EUR=500.00, USD=1000,JPY=60000".parse().unwrap();
        let reached =
            |code: &str, minor| amounts.are_reached_by(Money::new(code.parse().unwrap(), minor));
        assert!(reached("EUR", 50_000) && !reached("EUR", 49_999));
        assert!(reached("USD", 100_000) && !reached("USD", 99_999));
        assert!(reached("JPY", 60_000) && !reached("JPY", 59_999));
        assert!(!reached("CHF", i64::MAX));
    }

    #[test]
    fn what_is_no_list_of_amounts_is_refused() {
        for text in [
            "",
            "EUR",
            "EUR=",
            "EUR=1.001",
            "JPY=1.0",
            "EUR=-1",
            "XXX=1",
            "EUR=1,EUR=2",
        ] {
            assert!(text.parse::<Amounts>().is_err(), "{text}");
        }
    }
}
