//! Between the contract's messages and the domain.

use chrono::{DateTime, Utc};
use proto::souk::{payment::v1 as pb, r#type::v1::Money};

use svc_kit::{caller::Caller, error::Invalid, id, money::Money as Amount, page};

use crate::{
    error::Error,
    ledger::Balance,
    list_refunds::{self, ListRefunds},
    payment::{Payment, Status},
    reason::Reason,
    refund::{self, Cause, Refund, StaffRequest},
    refund_payment::RefundPayment,
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
            refunds: Vec::new(),
        }
    }
}

/// A refund as staff see it.
pub(super) fn for_staff(refund: Refund) -> pb::Refund {
    let note = refund.cause.staff().map(|staff| staff.reason.expose());
    pb::Refund {
        reason: note.unwrap_or_default().to_owned(),
        ..for_customers(refund)
    }
}

/// A refund as whoever paid sees it: without what staff noted.
#[expect(clippy::needless_pass_by_value, reason = "a conversion")]
pub(super) fn for_customers(refund: Refund) -> pb::Refund {
    let return_id = refund.cause.return_id().map(|id| id.to_string());
    pb::Refund {
        id: refund.id.to_string(),
        payment_id: refund.payment_id.to_string(),
        order_id: refund.order_id.to_string(),
        status: pb::RefundStatus::from(refund.status).into(),
        cause: pb::RefundCause::from(&refund.cause).into(),
        amount: Some(refund.amount.into()),
        return_id: return_id.unwrap_or_default(),
        reason: String::new(),
        create_time: Some(timestamp(refund.create_time)),
        update_time: Some(timestamp(refund.update_time)),
    }
}

impl From<refund::Status> for pb::RefundStatus {
    fn from(status: refund::Status) -> Self {
        match status {
            refund::Status::Requested => Self::Requested,
            refund::Status::Refunded => Self::Refunded,
            refund::Status::Refused => Self::Refused,
        }
    }
}

impl From<&Cause> for pb::RefundCause {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::OrderCancelled => Self::OrderCancelled,
            Cause::OrderReturned(_) => Self::OrderReturned,
            Cause::Staff(_) => Self::Staff,
        }
    }
}

/// What staff want back.
pub(super) fn refund_payment(
    caller: &Caller,
    request: &pb::RefundPaymentRequest,
) -> Result<RefundPayment, Invalid> {
    let invalid = |message: String| Invalid::new("amount", message);
    let amount = request
        .amount
        .as_ref()
        .ok_or_else(|| invalid("must be set".to_owned()))?;
    let amount =
        Amount::try_from(amount).map_err(|why| invalid(format!("cannot be used: {why}")))?;
    if amount.minor <= 0 {
        return Err(invalid("must be more than nothing".to_owned()));
    }
    Ok(RefundPayment {
        order_id: id::parse("order_id", &request.order_id)?,
        amount,
        request: StaffRequest {
            request_id: id::parse("request_id", &request.request_id)?,
            reason: Reason::parse(&request.reason)?,
            staff_id: caller.account_id,
        },
    })
}

/// Which refunds staff want to see.
pub(super) fn list_refunds(request: &pb::ListRefundsRequest) -> Result<ListRefunds, Invalid> {
    let status = match pb::RefundStatus::try_from(request.status) {
        Ok(pb::RefundStatus::Unspecified) => None,
        Ok(pb::RefundStatus::Requested) => Some(refund::Status::Requested),
        Ok(pb::RefundStatus::Refunded) => Some(refund::Status::Refunded),
        Ok(pb::RefundStatus::Refused) => Some(refund::Status::Refused),
        Err(_) => return Err(Invalid::new("status", "is unknown")),
    };
    Ok(ListRefunds {
        status,
        page_size: page::size(
            request.page_size,
            list_refunds::DEFAULT_PAGE_SIZE,
            list_refunds::MAX_PAGE_SIZE,
        )?,
        after: page::decode(&request.page_token)?,
    })
}

impl From<Status> for pb::PaymentStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Requested => Self::Requested,
            Status::Captured => Self::Captured,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
            Status::PartiallyRefunded => Self::PartiallyRefunded,
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
