//! Amounts of money in whole minor units. Arithmetic is checked, and two
//! currencies never mix. There is no float in here.

use std::{fmt, str::FromStr};

use proto::souk::r#type::v1::Money as Wire;

/// Nanos in one unit.
const NANOS: i128 = 1_000_000_000;

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// "EUR".
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals its minor unit has: 2 for EUR, 0 for JPY.
    pub fn minor_digits(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(0))
    }

    /// Minor units in one unit: 100 for EUR, 1 for JPY.
    fn minor_in_unit(self) -> i128 {
        10_i128.pow(self.minor_digits())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        // Without a minor unit it is a metal, a fund, a test or no currency.
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or(MoneyError::UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Of what.
    pub currency: Currency,
    /// How much, in the currency's minor unit: cents.
    pub minor: i64,
}

impl Money {
    /// So many minor units.
    pub fn new(currency: Currency, minor: i64) -> Self {
        Self { currency, minor }
    }

    /// Nothing.
    pub fn zero(currency: Currency) -> Self {
        Self::new(currency, 0)
    }

    /// The sum.
    ///
    /// # Errors
    /// Two currencies, or more than fits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with(self.minor.checked_add(other.minor))
    }

    /// The difference.
    ///
    /// # Errors
    /// Two currencies, or more than fits.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with(self.minor.checked_sub(other.minor))
    }

    /// So many times the amount.
    ///
    /// # Errors
    /// More than fits.
    pub fn times(self, count: i64) -> Result<Self, MoneyError> {
        self.with(self.minor.checked_mul(count))
    }

    /// Below zero.
    pub fn is_negative(self) -> bool {
        self.minor < 0
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::MixedCurrencies)
        }
    }

    fn with(self, minor: Option<i64>) -> Result<Self, MoneyError> {
        Ok(Self::new(self.currency, minor.ok_or(MoneyError::Overflow)?))
    }
}

impl fmt::Display for Money {
    /// "EUR 42.00"
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_unit = self.currency.minor_in_unit();
        let minor = i128::from(self.minor);
        let sign = if minor < 0 { "-" } else { "" };
        let (units, rest) = (minor.abs() / in_unit, minor.abs() % in_unit);
        match self.currency.minor_digits() {
            0 => write!(f, "{} {sign}{units}", self.currency),
            digits => write!(
                f,
                "{} {sign}{units}.{rest:0width$}",
                self.currency,
                width = digits as usize
            ),
        }
    }
}

/// Why an amount makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not in ISO 4217.
    #[error("unknown currency code")]
    UnknownCurrency,
    /// Arithmetic over two currencies.
    #[error("two currencies in one sum")]
    MixedCurrencies,
    /// More than fits.
    #[error("amount too large")]
    Overflow,
    /// `units` and `nanos` of different signs, or `nanos` of a whole unit.
    #[error("units and nanos do not fit together")]
    Malformed,
    /// A fraction of a cent.
    #[error("more decimals than the currency has")]
    TooFine,
}

impl TryFrom<&Wire> for Money {
    type Error = MoneyError;

    fn try_from(wire: &Wire) -> Result<Self, MoneyError> {
        let currency: Currency = wire.currency_code.parse()?;
        let (units, nanos) = (i128::from(wire.units), i128::from(wire.nanos));
        if nanos.abs() >= NANOS || units.signum() * nanos.signum() < 0 {
            return Err(MoneyError::Malformed);
        }
        let nanos_in_minor = NANOS / currency.minor_in_unit();
        if nanos % nanos_in_minor != 0 {
            return Err(MoneyError::TooFine);
        }
        let minor = units * currency.minor_in_unit() + nanos / nanos_in_minor;
        Ok(Self::new(
            currency,
            i64::try_from(minor).map_err(|_| MoneyError::Overflow)?,
        ))
    }
}

impl From<Money> for Wire {
    fn from(money: Money) -> Self {
        let in_unit = money.currency.minor_in_unit();
        let minor = i128::from(money.minor);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "smaller than an i64, and than a unit's nanos"
        )]
        Self {
            currency_code: money.currency.code().to_owned(),
            units: (minor / in_unit) as i64,
            nanos: (minor % in_unit * (NANOS / in_unit)) as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency() -> impl Strategy<Value = Currency> {
        prop::sample::select(vec!["EUR", "USD", "JPY", "BHD", "CLF"])
            .prop_map(|code| code.parse().unwrap())
    }

    proptest! {
        #[test]
        fn an_amount_survives_the_wire(currency in currency(), minor: i64) {
            let money = Money::new(currency, minor);
            prop_assert_eq!(Money::try_from(&Wire::from(money)), Ok(money));
        }

        #[test]
        fn any_message_is_read_or_refused(code in "[A-Z]{0,4}", units: i64, nanos: i32) {
            let wire = Wire { currency_code: code, units, nanos };
            if let Ok(money) = Money::try_from(&wire) {
                prop_assert_eq!(Wire::from(money), wire);
            }
        }

        #[test]
        fn subtraction_undoes_addition(currency in currency(), a: i32, b: i32) {
            let (a, b) = (Money::new(currency, a.into()), Money::new(currency, b.into()));
            prop_assert_eq!(a.checked_add(b).and_then(|sum| sum.checked_sub(b)), Ok(a));
        }
    }

    #[test]
    fn amounts_are_written_as_people_read_them() {
        let eur = "EUR".parse().unwrap();
        assert_eq!(Money::new(eur, 42_00).to_string(), "EUR 42.00");
        assert_eq!(Money::new(eur, -5).to_string(), "EUR -0.05");
        assert_eq!(
            Money::new("JPY".parse().unwrap(), 300).to_string(),
            "JPY 300"
        );
    }

    #[test]
    fn what_nobody_pays_with_is_no_currency() {
        for code in ["XXX", "XTS", "XAU", "eur", ""] {
            assert_eq!(
                code.parse::<Currency>(),
                Err(MoneyError::UnknownCurrency),
                "{code}"
            );
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        let (eur, usd) = ("EUR".parse().unwrap(), "USD".parse().unwrap());
        assert_eq!(
            Money::new(eur, 1).checked_add(Money::new(usd, 1)),
            Err(MoneyError::MixedCurrencies)
        );
    }
}
