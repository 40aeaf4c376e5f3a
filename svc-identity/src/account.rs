//! The account: who a customer or a member of staff is. Knows neither
//! passwords nor sessions, but for the epoch that ends old ones.

mod display_name;
mod email;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use proto::souk::event::v1::AccountRegistered;
use svc_kit::id::AccountId;

pub use self::{
    display_name::{DISPLAY_NAME_MAX, DisplayName},
    email::{EMAIL_MAX, Email},
};

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Buys.
    Customer,
    /// Runs the shop.
    Staff,
}

impl Role {
    /// As it stands in tokens and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => svc_kit::caller::STAFF,
        }
    }
}

/// A role that this version does not know.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role '{0}'")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Customer, Self::Staff]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A customer or a member of staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Never changes.
    pub id: AccountId,
    /// Unique in its canonical form.
    pub email: Email,
    /// How the shop addresses them.
    pub display_name: DisplayName,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Grows with each change that the owner sees.
    pub version: i64,
    /// Sessions of an earlier epoch are over.
    pub session_epoch: i64,
    /// When it was opened.
    pub create_time: DateTime<Utc>,
}

impl Account {
    /// A new account.
    pub fn open(
        id: AccountId,
        email: Email,
        display_name: DisplayName,
        roles: Vec<Role>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            email,
            display_name,
            roles,
            version: 1,
            session_epoch: 1,
            create_time: now,
        }
    }

    /// Stands for this state of the account, for whoever wants to change it.
    pub fn etag(&self) -> String {
        self.version.to_string()
    }

    /// The roles as tokens carry them.
    pub fn role_names(&self) -> Vec<String> {
        self.roles
            .iter()
            .map(|role| role.name().to_owned())
            .collect()
    }

    /// Tells that it was opened.
    pub fn registered(&self) -> AccountRegistered {
        AccountRegistered {
            account_id: self.id.to_string(),
            email: self.email.as_str().to_owned(),
            display_name: self.display_name.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_as_it_is_written() {
        for role in [Role::Customer, Role::Staff] {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
