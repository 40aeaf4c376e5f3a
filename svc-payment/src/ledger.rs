//! The ledger: double entry, so that each movement of money says where it came
//! from and where it went. The database refuses what does not balance, and any
//! change of what was booked.

use std::{fmt, str::FromStr};

use svc_kit::money::{Currency, Money};
use uuid::Uuid;

use crate::{payment::Payment, provider::Receipt, refund::Refund};

/// Where money lies or comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// What customers owe us.
    CustomerReceivable,
    /// What the provider holds for us.
    CashAtProvider,
    /// What the provider has kept for its work.
    Fees,
    /// What we have sold.
    Revenue,
    /// What we have given back.
    Refunds,
}

impl Account {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::CashAtProvider,
        Self::CustomerReceivable,
        Self::Fees,
        Self::Refunds,
        Self::Revenue,
    ];

    /// As it is stored and answered.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CustomerReceivable => "customer_receivable",
            Self::CashAtProvider => "cash_at_provider",
            Self::Fees => "fees",
            Self::Revenue => "revenue",
            Self::Refunds => "refunds",
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|account| account.as_str() == text)
            .ok_or_else(|| format!("account '{text}' is unknown"))
    }
}

/// What a transaction of the ledger is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The customer owes us for the order.
    Sale,
    /// The provider holds what the customer owed.
    Settlement,
    /// The provider has kept some of what it holds.
    Fee,
    /// The provider has given it back.
    Refund,
    /// What was given back did not arrive: the provider holds it again.
    RefundReversal,
}

impl Kind {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Settlement => "settlement",
            Self::Fee => "fee",
            Self::Refund => "refund",
            Self::RefundReversal => "refund_reversal",
        }
    }
}

/// One transaction of the ledger: an amount moves from one account to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// What it is about.
    pub kind: Kind,
    /// Of which order.
    pub order_id: Uuid,
    /// The payment or refund that it books.
    pub source_id: Uuid,
    /// Which of its kind it is for that source, from one: each is booked once.
    pub number: i32,
    /// How much.
    pub amount: Money,
    /// The account that gains it.
    pub debit: Account,
    /// The account that loses it.
    pub credit: Account,
}

/// One line of a transaction: debits are positive, credits negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which account.
    pub account: Account,
    /// In what.
    pub currency: Currency,
    /// How much, in minor units.
    pub amount_minor: i64,
}

impl Posting {
    /// What a captured payment books: the sale, its settlement, and the fee if
    /// there is one.
    pub fn of_capture(payment: &Payment, receipt: Receipt) -> Vec<Self> {
        let posting = |kind, amount, debit, credit| Self {
            kind,
            order_id: payment.order_id.0,
            source_id: payment.id.0,
            number: 1,
            amount,
            debit,
            credit,
        };
        let (cash, owed) = (Account::CashAtProvider, Account::CustomerReceivable);
        let mut postings = vec![
            posting(Kind::Sale, payment.amount, owed, Account::Revenue),
            posting(Kind::Settlement, payment.amount, cash, owed),
        ];
        // A transaction of nothing is none.
        if receipt.fee.minor != 0 {
            postings.push(posting(Kind::Fee, receipt.fee, Account::Fees, cash));
        }
        postings
    }

    /// What a refund books that came back so often before.
    pub fn of_refund(refund: &Refund, reversals: i32) -> Self {
        Self {
            kind: Kind::Refund,
            order_id: refund.order_id.0,
            source_id: refund.id.0,
            number: reversals + 1,
            amount: refund.amount,
            debit: Account::Refunds,
            credit: Account::CashAtProvider,
        }
    }

    /// What undoes that, when the money has come back once more.
    pub fn of_reversal(refund: &Refund, reversals: i32) -> Self {
        let refunded = Self::of_refund(refund, reversals);
        Self {
            kind: Kind::RefundReversal,
            debit: refunded.credit,
            credit: refunded.debit,
            ..refunded
        }
    }

    /// Its two lines, which sum to zero by their making.
    pub fn entries(&self) -> [Entry; 2] {
        let entry = |account, amount_minor| Entry {
            account,
            currency: self.amount.currency,
            amount_minor,
        };
        [
            entry(self.debit, self.amount.minor),
            entry(self.credit, -self.amount.minor),
        ]
    }
}

/// What an account holds in a currency: debits less credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Which account.
    pub account: Account,
    /// In what.
    pub currency: Currency,
    /// How much, in minor units. Each entry fits an `i64`; their sum need not.
    pub minor: i128,
}
