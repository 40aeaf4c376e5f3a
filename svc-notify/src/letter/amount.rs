//! Amounts as people read them.

use svc_kit::money::Money;

/// "EUR 1,234.50", with as many decimals as the currency has.
pub(super) fn written(money: Money) -> String {
    let plain = money.to_string();
    let Some((code, number)) = plain.split_once(' ') else {
        return plain;
    };
    let (sign, number) = number
        .strip_prefix('-')
        .map_or(("", number), |rest| ("-", rest));
    let (whole, decimals) = number
        .split_once('.')
        .map_or((number, None), |(w, d)| (w, Some(d)));
    let mut text = format!("{code} {sign}");
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(decimals) = decimals {
        text.push('.');
        text.push_str(decimals);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart_and_decimals_are_the_currencys() {
        let of = |code: &str, minor| written(Money::new(code.parse().unwrap(), minor));
        assert_eq!(of("EUR", 5), "EUR 0.05");
        assert_eq!(of("EUR", 99_999), "EUR 999.99");
        assert_eq!(of("EUR", 100_000_000), "EUR 1,000,000.00");
        assert_eq!(of("JPY", 123_456), "JPY 123,456");
        assert_eq!(of("BHD", -1_234_567), "BHD -1,234.567");
    }
}
