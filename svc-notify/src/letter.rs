//! The letter: a notice in words, as text and as HTML. Whatever comes from
//! outside is escaped in the HTML.

mod amount;
mod cancellation;

use minijinja::{Environment, UndefinedBehavior, Value, context};
use svc_kit::money::{Money, MoneyError};
use uuid::Uuid;

use crate::{contact::one_line, notice::Notice};

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Why a notice cannot be put into words: a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// A template is broken.
    #[error("template")]
    Template(#[from] minijinja::Error),
    /// An amount is broken.
    #[error("amount")]
    Amount(#[from] MoneyError),
}

/// All templates, checked.
#[derive(Debug)]
pub struct Templates(Environment<'static>);

macro_rules! templates {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../templates/", $name)))),*]
    };
}

const SOURCES: [(&str, &str); 15] = templates![
    "welcome.subject.txt",
    "welcome.txt",
    "welcome.html",
    "order_confirmed.subject.txt",
    "order_confirmed.txt",
    "order_confirmed.html",
    "order_cancelled.subject.txt",
    "order_cancelled.txt",
    "order_cancelled.html",
    "order_shipped.subject.txt",
    "order_shipped.txt",
    "order_shipped.html",
    "order_returned.subject.txt",
    "order_returned.txt",
    "order_returned.html"
];

impl Templates {
    /// Reads all templates.
    ///
    /// # Errors
    /// When one is broken.
    pub fn new() -> Result<Self, LetterError> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in SOURCES {
            templates.add_template(name, source)?;
        }
        Ok(Self(templates))
    }

    /// The subject line alone.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn subject(&self, notice: &Notice) -> Result<String, LetterError> {
        self.fill(notice, "subject.txt", &facts(notice, "")?)
    }

    /// The whole letter.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn letter(&self, notice: &Notice, name: &str) -> Result<Letter, LetterError> {
        let facts = facts(notice, name)?;
        Ok(Letter {
            subject: self.fill(notice, "subject.txt", &facts)?,
            text: self.fill(notice, "txt", &facts)?,
            html: self.fill(notice, "html", &facts)?,
        })
    }

    fn fill(&self, notice: &Notice, kind: &str, facts: &Value) -> Result<String, LetterError> {
        let name = format!("{}.{kind}", notice.template().as_str());
        Ok(self.0.get_template(&name)?.render(facts)?)
    }
}

fn facts(notice: &Notice, name: &str) -> Result<Value, LetterError> {
    Ok(match notice {
        Notice::Welcome { .. } => context! { name },
        Notice::OrderConfirmed {
            order_id,
            items,
            total,
        } => context! {
            name,
            order_id => order_id.to_string(),
            order_number => order_number(*order_id),
            items,
            total => amount::written(Money::try_from(total)?),
        },
        Notice::OrderCancelled {
            order_id,
            total,
            reason,
            was_confirmed,
        } => {
            let total = amount::written(Money::try_from(total)?);
            context! {
                name,
                order_id => order_id.to_string(),
                order_number => order_number(*order_id),
                reason => cancellation::reason(reason),
                money => cancellation::money(reason, *was_confirmed, &total),
                total,
            }
        }
        Notice::OrderShipped {
            order_id,
            carrier,
            tracking_code,
        } => context! {
            name,
            order_id => order_id.to_string(),
            order_number => order_number(*order_id),
            carrier => one_line(carrier),
            tracking_code => one_line(tracking_code),
        },
        Notice::OrderReturned {
            order_id, refund, ..
        } => {
            let refund = refund.as_ref().map(Money::try_from).transpose()?;
            context! {
                name,
                order_id => order_id.to_string(),
                order_number => order_number(*order_id),
                refund => refund.map(amount::written),
            }
        }
    })
}

/// What people call an order: the random end of its id, in two groups.
fn order_number(order_id: Uuid) -> String {
    let digits = order_id.simple().to_string().to_uppercase();
    let end = digits.split_at(digits.len() - 8).1;
    let (left, right) = end.split_at(4);
    format!("{left}-{right}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Total;

    fn order_id() -> Uuid {
        "0192f5a8-1b2c-7d3e-8f40-5a6b7c8d9e0f".parse().unwrap()
    }

    fn total(minor: i64) -> Total {
        Total {
            currency: "EUR".to_owned(),
            minor,
        }
    }

    fn letter(notice: &Notice, name: &str) -> Letter {
        Templates::new().unwrap().letter(notice, name).unwrap()
    }

    #[test]
    fn a_confirmation_names_the_order_and_the_amount() {
        let notice = Notice::OrderConfirmed {
            order_id: order_id(),
            items: 3,
            total: total(123_450),
        };
        let letter = letter(&notice, "Ana");
        assert_eq!(letter.subject, "Your order 7C8D-9E0F is confirmed");
        assert!(letter.text.starts_with("Hello Ana,\n"), "{}", letter.text);
        for part in [
            "3 items",
            "EUR 1,234.50",
            "0192f5a8-1b2c-7d3e-8f40-5a6b7c8d9e0f",
        ] {
            assert!(
                letter.text.contains(part) && letter.html.contains(part),
                "{part}"
            );
        }
    }

    #[test]
    fn a_cancellation_says_why_and_what_becomes_of_the_money() {
        let cancelled = |reason: &str, was_confirmed| {
            let notice = Notice::OrderCancelled {
                order_id: order_id(),
                total: total(42_00),
                reason: reason.to_owned(),
                was_confirmed,
            };
            letter(&notice, "").text
        };
        let declined = cancelled("PAYMENT_DECLINED", false);
        assert!(declined.contains("your card was declined.\nYou have not been charged."));
        let regretted = cancelled("CUSTOMER_CANCELLED", true);
        assert!(
            regretted.contains("as you asked.\nThe EUR 42.00 that you paid"),
            "{regretted}"
        );
        assert!(cancelled("STOCK_INSUFFICIENT", false).contains("out of stock"));
        assert!(cancelled("SOMETHING_NEW", false).contains("If you have been charged"));
    }

    #[test]
    fn a_parcel_is_told_with_its_carrier_and_its_code_if_it_has_one() {
        let shipped = |tracking_code: &str| {
            let notice = Notice::OrderShipped {
                order_id: order_id(),
                carrier: "DHL".to_owned(),
                tracking_code: tracking_code.to_owned(),
            };
            letter(&notice, "Ana")
        };
        let with_code = shipped("0034<b>0434");
        assert_eq!(with_code.subject, "Your order 7C8D-9E0F is on its way");
        assert!(
            with_code
                .text
                .contains("Carrier DHL\nTracking code 0034<b>0434\n\nReference"),
            "{}",
            with_code.text
        );
        assert!(with_code.html.contains("0034&lt;b&gt;0434"));
        let without = shipped("");
        assert!(
            without.text.contains("Carrier DHL\n\nReference"),
            "{}",
            without.text
        );
        assert!(!without.html.contains("Tracking"));
    }

    #[test]
    fn what_came_back_is_told_with_what_is_refunded() {
        let returned = |refund| {
            let notice = Notice::OrderReturned {
                order_id: order_id(),
                return_id: order_id(),
                refund,
            };
            letter(&notice, "").text
        };
        let text = returned(Some(total(42_00)));
        assert!(text.contains("EUR 42.00 are on their way"), "{text}");
        assert!(returned(None).contains("Nothing is refunded"));
    }

    #[test]
    fn a_name_cannot_write_html() {
        let notice = Notice::Welcome {
            account_id: order_id(),
        };
        let letter = letter(&notice, "<img src=x onerror=alert(1)>");
        assert!(letter.html.contains("&lt;img"), "{}", letter.html);
        assert!(!letter.html.contains("<img"));
    }

    #[test]
    fn nobody_without_a_name_is_greeted_by_one() {
        let letter = letter(
            &Notice::Welcome {
                account_id: order_id(),
            },
            "",
        );
        assert!(letter.text.starts_with("Hello,\n"), "{}", letter.text);
    }
}
