//! Prices from text, exactly: never through a float.

use std::fmt;
use std::str::FromStr;

use proto::souk::r#type::v1::Money;

use super::bad::Refusal;

/// Decimals of the fraction on the wire.
const NANO_DIGITS: usize = 9;

/// A currency that prices can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

impl Default for Currency {
    fn default() -> Self {
        Self(iso_currency::Currency::USD)
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        iso_currency::Currency::from_code(code)
            .map(Self)
            .ok_or_else(|| format!("no ISO 4217 code in upper case: {code:?}"))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code())
    }
}

impl Currency {
    /// Digits after the point of its amounts.
    fn digits(self) -> usize {
        usize::from(self.0.exponent().unwrap_or(0))
    }

    /// Reads "129.99". More decimals than the currency has are refused even
    /// when they are zeros: whoever wrote them means something else.
    pub(super) fn price(self, text: &str) -> Result<Money, Refusal> {
        let text = text.trim();
        let invalid = || Refusal::new("PRICE_INVALID", format!("no price: {text:?}"));
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return Err(invalid());
        }
        if negative && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
            return Err(Refusal::new(
                "PRICE_NEGATIVE",
                format!("the price {text} is below zero"),
            ));
        }
        let has_fraction = unsigned.contains('.');
        if has_fraction && fraction.len() > self.digits() && (self.digits() > 0 || fraction != "0")
        {
            return Err(Refusal::new(
                "PRICE_TOO_FINE",
                format!(
                    "{text} has more decimals than {self} has ({})",
                    self.digits()
                ),
            ));
        }
        let nanos = format!("{fraction:0<NANO_DIGITS$}");
        Ok(Money {
            currency_code: self.to_string(),
            units: whole.parse().map_err(|_| invalid())?,
            nanos: nanos.parse().map_err(|_| invalid())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Result<(i64, i32), &'static str> {
        Currency::default()
            .price(text)
            .map(|money| (money.units, money.nanos))
            .map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_price_is_what_its_text_says() {
        assert_eq!(usd("129.99"), Ok((129, 990_000_000)));
        assert_eq!(usd("0.1"), Ok((0, 100_000_000)));
        assert_eq!(usd("5"), Ok((5, 0)));
        assert_eq!(usd("0.07"), Ok((0, 70_000_000)));
    }

    #[test]
    fn what_is_no_price_in_the_currency_is_refused() {
        assert_eq!(usd("1.999"), Err("PRICE_TOO_FINE"));
        assert_eq!(usd("-5"), Err("PRICE_NEGATIVE"));
        assert_eq!(usd("-0.01"), Err("PRICE_NEGATIVE"));
        for text in ["", "abc", "1e3", "1,50", "1.", ".5", "99999999999999999999"] {
            assert_eq!(usd(text), Err("PRICE_INVALID"), "{text}");
        }
    }

    #[test]
    fn currencies_have_their_own_decimals() {
        let yen: Currency = "JPY".parse().unwrap();
        assert_eq!(yen.price("500").unwrap().units, 500);
        assert_eq!(yen.price("500.5").unwrap_err().reason, "PRICE_TOO_FINE");
        let dinar: Currency = "KWD".parse().unwrap();
        assert_eq!(dinar.price("1.999").unwrap().nanos, 999_000_000);
        assert!("usd".parse::<Currency>().is_err());
    }
}
