//! Between the contract's messages and the domain.

use chrono::{DateTime, Utc};
use proto::souk::{payment::v1 as pb, r#type::v1::Money};

use crate::{
    error::Error,
    ledger::Balance,
    payment::{Payment, Status},
};

impl From<Payment> for pb::Payment {
    fn from(payment: Payment) -> Self {
        Self {
            id: payment.id.to_string(),
            order_id: payment.order_id.to_string(),
            status: pb::PaymentStatus::from(payment.status).into(),
            amount: Some(payment.amount.into()),
            refunded: Some(payment.refunded.into()),
            failure_reason: payment.failure_reason.unwrap_or_default(),
            create_time: Some(timestamp(payment.create_time)),
        }
    }
}

impl From<Status> for pb::PaymentStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Requested => Self::Requested,
            Status::Captured => Self::Captured,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
            Status::Refunded => Self::Refunded,
        }
    }
}

impl TryFrom<Balance> for pb::LedgerBalance {
    type Error = Error;

    fn try_from(balance: Balance) -> Result<Self, Error> {
        Ok(Self {
            account: balance.account.to_string(),
            balance: Some(money(&balance)?),
        })
    }
}

/// Nanos in one unit.
const NANOS: i128 = 1_000_000_000;

/// A sum fits as long as its units do, though its minor units may not.
fn money(balance: &Balance) -> Result<Money, Error> {
    let too_large = |_| Error::BalanceTooLarge(balance.account);
    let minor_in_unit = 10_i128.pow(balance.currency.minor_digits());
    let (units, rest) = (balance.minor / minor_in_unit, balance.minor % minor_in_unit);
    Ok(Money {
        currency_code: balance.currency.code().to_owned(),
        units: i64::try_from(units).map_err(too_large)?,
        nanos: i32::try_from(rest * (NANOS / minor_in_unit)).map_err(too_large)?,
    })
}

fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Account;

    fn encoded(currency: &str, minor: i128) -> Result<(i64, i32), Error> {
        money(&Balance {
            account: Account::Revenue,
            currency: currency.parse().unwrap(),
            minor,
        })
        .map(|money| (money.units, money.nanos))
    }

    #[test]
    fn a_balance_is_encoded_as_long_as_its_units_fit() {
        let most = i128::from(i64::MAX);
        assert_eq!(encoded("EUR", 42_05).unwrap(), (42, 50_000_000));
        assert_eq!(encoded("EUR", -5).unwrap(), (0, -50_000_000));
        assert_eq!(
            encoded("EUR", most * 100 + 99).unwrap(),
            (i64::MAX, 990_000_000)
        );
        assert_eq!(
            encoded("EUR", (-most - 1) * 100 - 99).unwrap(),
            (i64::MIN, -990_000_000)
        );
        assert_eq!(encoded("JPY", most).unwrap(), (i64::MAX, 0));
    }

    #[test]
    fn a_balance_of_more_units_than_fit_is_an_error() {
        let most = i128::from(i64::MAX);
        for (currency, minor) in [
            ("EUR", (most + 1) * 100),
            ("JPY", most + 1),
            ("JPY", -most - 2),
            ("EUR", i128::MAX),
            ("EUR", i128::MIN),
        ] {
            assert!(matches!(
                encoded(currency, minor),
                Err(Error::BalanceTooLarge(Account::Revenue))
            ));
        }
    }
}
