//! `Debug` for messages that carry secrets or personal data: it names the
//! message and shows only what identifies it.

use std::fmt::{Debug, Formatter, Result};

use crate::souk::{event, identity, order, r#type};

macro_rules! redacted {
    ($($message:path { $($shown:ident),* })*) => {$(
        impl Debug for $message {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($shown), &self.$shown))*
                    .finish_non_exhaustive()
            }
        }
    )*};
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
