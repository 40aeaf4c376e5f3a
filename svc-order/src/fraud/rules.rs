//! Rules that need nobody's answer: amounts and countries.

use futures::future::BoxFuture;

use super::{Amounts, Mismatch, Reason, Screen, ScreenError, Screening, Verdict};

/// The rules of an operator.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// From which totals on people look at an order.
    pub review: Amounts,
    /// From which totals on an order is refused.
    pub refuse: Amounts,
    /// When it goes to another country than the account's.
    pub mismatch: Mismatch,
}

impl Rules {
    fn verdict(&self, asked: &Screening) -> Verdict {
        let mut doubts = Vec::new();
        if self.refuse.are_reached_by(asked.total) {
            return Verdict::Refuse(Reason::of("AMOUNT_TOO_HIGH"));
        }
        if self.review.are_reached_by(asked.total) {
            doubts.push(Reason::of("AMOUNT_HIGH"));
        }
        let elsewhere = asked
            .billing_country
            .as_ref()
            .is_some_and(|home| *home != asked.shipping_country);
        match self.mismatch {
            Mismatch::Refuse if elsewhere => {
                return Verdict::Refuse(Reason::of("COUNTRY_MISMATCH"));
            }
            Mismatch::Review if elsewhere => doubts.push(Reason::of("COUNTRY_MISMATCH")),
            _ => {}
        }
        if doubts.is_empty() {
            Verdict::Accept
        } else {
            Verdict::Review(doubts)
        }
    }
}

impl Screen for Rules {
    fn name(&self) -> &'static str {
        "rules"
    }

    fn screen<'a>(&'a self, asked: &'a Screening) -> BoxFuture<'a, Result<Verdict, ScreenError>> {
        Box::pin(std::future::ready(Ok(self.verdict(asked))))
    }
}
