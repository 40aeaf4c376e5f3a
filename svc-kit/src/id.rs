//! Identifiers: UUIDs of version 7, one type for each noun.

use uuid::Uuid;

use crate::{clock::Clock, error::Invalid, random};

/// Makes an identifier type: `id!(/** An order. */ pub struct OrderId);`
#[macro_export]
macro_rules! id {
    ($(#[$meta:meta])* $vis:vis struct $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive($crate::id::serde::Serialize, $crate::id::serde::Deserialize)]
        #[serde(crate = "svc_kit::id::serde", transparent)]
        $vis struct $name(pub $crate::id::uuid::Uuid);

        #[allow(dead_code, clippy::allow_attributes, reason = "not every identifier is made everywhere")]
        impl $name {
            /// A new identifier; later ones sort after earlier ones.
            $vis fn generate(clock: &$crate::clock::Clock) -> Self {
                Self($crate::id::generate(clock))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::id::uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::id::uuid::Uuid::try_parse(text).map(Self)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::id::uuid::Error;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

#[doc(hidden)]
pub use {serde, uuid};

extern crate self as svc_kit;

id!(
    /// A customer or a member of staff.
    pub struct AccountId
);

/// A UUID of version 7 with the clock's time.
pub fn generate(clock: &Clock) -> Uuid {
    let millis = u64::try_from(clock.now().timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes()).into_uuid()
}

/// Reads an identifier out of a request; the error names the field.
///
/// # Errors
/// [`Invalid`] when the text is no UUID.
pub fn parse<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Invalid> {
    text.parse()
        .map_err(|_| Invalid::new(field, "must be a UUID"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_later_identifier_sorts_after_an_earlier_one() {
        let clock = Clock::manual(chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let earlier = AccountId::generate(&clock);
        clock.advance(Duration::from_millis(1));
        assert!(earlier < AccountId::generate(&clock));
    }
}
