//! Between the contract's messages and the domain.

use chrono::{DateTime, Utc};
use proto::souk::payment::v1 as pb;

use crate::{
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

impl FromIterator<Balance> for pb::Ledger {
    fn from_iter<T: IntoIterator<Item = Balance>>(balances: T) -> Self {
        let balances = balances
            .into_iter()
            .map(|balance| pb::LedgerBalance {
                account: balance.account.to_string(),
                balance: Some(balance.balance.into()),
            })
            .collect();
        Self { balances }
    }
}

fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}
