//! Messages to commands, and nouns to messages.

use chrono::{DateTime, Utc};
use proto::souk::{identity::v1 as pb, r#type::v1::Address};
use svc_kit::{error::Invalid, id};

use crate::{
    account::{Account, DisplayName, Email},
    address::{Entry, SavedAddress},
    create_address::CreateAddress,
    error::Error,
    log_in::LogIn,
    password::Password,
    register::Register,
    session::Tokens,
    update_address::UpdateAddress,
    update_profile::UpdateProfile,
};

/// Names all that is wrong, not only the first.
pub(super) fn register(request: pb::RegisterRequest) -> Result<Register, Error> {
    let email = Email::parse("email", &request.email);
    let password = Password::parse("password", request.password);
    let display_name = DisplayName::parse("display_name", &request.display_name);
    match (email, password, display_name) {
        (Ok(email), Ok(password), Ok(display_name)) => Ok(Register {
            email,
            password,
            display_name,
        }),
        (email, password, display_name) => Err(Error::Invalid(
            [email.err(), password.err(), display_name.err()]
                .into_iter()
                .flatten()
                .collect(),
        )),
    }
}

/// What cannot be right is wrong, and not told apart from it.
pub(super) fn log_in(request: pb::LogInRequest) -> LogIn {
    LogIn {
        email: Email::parse("email", &request.email).ok(),
        password: Password::parse("password", request.password).ok(),
    }
}

pub(super) fn update_profile(request: pb::UpdateProfileRequest) -> Result<UpdateProfile, Error> {
    let account = request.account.unwrap_or_default();
    let paths = request.update_mask.map(|mask| mask.paths);
    for path in paths.iter().flatten() {
        if path != "display_name" && path != "*" {
            return Err(Invalid::new("update_mask", "may name display_name alone").into());
        }
    }
    Ok(UpdateProfile {
        display_name: DisplayName::parse("account.display_name", &account.display_name)?,
        // Versions begin at 1: what is no version is a stale one.
        version: (!account.etag.is_empty()).then(|| account.etag.parse().unwrap_or(0)),
    })
}

pub(super) fn create_address(request: pb::CreateAddressRequest) -> Result<CreateAddress, Error> {
    let address = required(request.address)?;
    Ok(CreateAddress {
        is_default: address.is_default,
        entry: entry(address)?,
    })
}

pub(super) fn update_address(request: pb::UpdateAddressRequest) -> Result<UpdateAddress, Error> {
    let address = required(request.address)?;
    Ok(UpdateAddress {
        id: id::parse("address.id", &address.id)?,
        is_default: address.is_default,
        entry: entry(address)?,
    })
}

fn required(address: Option<pb::SavedAddress>) -> Result<pb::SavedAddress, Error> {
    address.ok_or_else(|| Invalid::new("address", "must be given").into())
}

fn entry(saved: pb::SavedAddress) -> Result<Entry, Error> {
    let address = saved
        .address
        .ok_or_else(|| Invalid::new("address.address", "must be given"))?;
    let entry = Entry {
        label: saved.label,
        recipient: address.recipient,
        lines: address.address_lines,
        locality: address.locality,
        administrative_area: address.administrative_area,
        postal_code: address.postal_code,
        region_code: address.region_code,
    };
    Ok(entry.check()?)
}

impl From<Account> for pb::Account {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            email: account.email.as_str().to_owned(),
            display_name: account.display_name.as_str().to_owned(),
            roles: account.role_names(),
            create_time: Some(timestamp(account.create_time)),
            etag: account.etag(),
        }
    }
}

impl From<Tokens> for pb::Tokens {
    fn from(tokens: Tokens) -> Self {
        let (refresh_token, refresh_token_expire_time) = match tokens.refresh {
            Some(refresh) => (
                refresh.token.to_string(),
                Some(timestamp(refresh.expire_time)),
            ),
            None => (String::new(), None),
        };
        Self {
            access_token: tokens.access_token,
            access_token_expire_time: Some(timestamp(tokens.access_token_expire_time)),
            refresh_token,
            refresh_token_expire_time,
        }
    }
}

impl From<SavedAddress> for pb::SavedAddress {
    fn from(saved: SavedAddress) -> Self {
        let entry = saved.entry;
        Self {
            id: saved.id.to_string(),
            label: entry.label,
            address: Some(Address {
                recipient: entry.recipient,
                address_lines: entry.lines,
                locality: entry.locality,
                administrative_area: entry.administrative_area,
                postal_code: entry.postal_code,
                region_code: entry.region_code,
            }),
            is_default: saved.is_default,
        }
    }
}

fn timestamp(at: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}
