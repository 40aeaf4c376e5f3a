//! What may be shown of messages that carry secrets or personal data: what
//! identifies them, and nothing else. Their `Debug` keeps to it, and so does
//! whoever prints a message whose type is known at run time alone.

use std::fmt::{Debug, Formatter, Result};

use crate::souk::{event, identity, order, r#type};

/// The fields that may be shown of a message, by its full name
/// ("souk.event.v1.AccountRegistered"); none: all of them.
pub fn shown_fields(full_name: &str) -> Option<&'static [&'static str]> {
    SHOWN
        .iter()
        .find(|(path, _)| full_name_of(path) == full_name)
        .map(|(_, fields)| *fields)
}

/// The name in the contracts of a generated type below [`crate::souk`].
fn full_name_of(path: &str) -> String {
    let name = path.replace("r#", "").replace("::", ".");
    format!("souk.{}", name.replace(' ', ""))
}

macro_rules! redacted {
    ($($message:path { $($shown:ident),* })*) => {
        const SHOWN: &[(&str, &[&str])] = &[
            $((stringify!($message), &[$(stringify!($shown)),*])),*
        ];
        $(impl Debug for $message {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($shown), &self.$shown))*
                    .finish_non_exhaustive()
            }
        })*
    };
}

redacted! {
    r#type::v1::Address { region_code }
    event::v1::AccountRegistered { account_id }
    event::v1::PaymentRequested { order_id, payment_id, account_id, amount }
    identity::v1::Account { id, roles, etag }
    identity::v1::Tokens { access_token_expire_time }
    identity::v1::RegisterRequest {}
    identity::v1::LogInRequest {}
    identity::v1::RefreshTokensRequest {}
    order::v1::PlaceOrderRequest { request_id, items, expected_total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::POOL;

    #[test]
    fn every_redacted_message_and_field_is_in_the_contracts() {
        for (path, fields) in SHOWN {
            let name = full_name_of(path);
            let message = POOL.get_message_by_name(&name);
            let message = message.unwrap_or_else(|| panic!("no {name}"));
            for field in *fields {
                assert!(message.get_field_by_name(field).is_some(), "{name}.{field}");
            }
        }
    }

    #[test]
    fn a_payment_token_is_not_among_what_may_be_shown() {
        let shown = shown_fields("souk.event.v1.PaymentRequested").unwrap();
        assert!(shown.contains(&"order_id") && !shown.contains(&"payment_token"));
        assert_eq!(shown_fields("souk.event.v1.OrderPlaced"), None);
    }
}
