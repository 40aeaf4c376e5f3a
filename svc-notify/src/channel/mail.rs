//! The mail: headers and both bodies. Names are encoded, never pasted, so that
//! nobody writes a header with one.

use std::time::SystemTime;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use crate::{
    contact::{Contact, one_line},
    delivery::{DeliveryId, SendError},
    letter::Letter,
};

/// One mail to one person.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The delivery; also the Message-ID.
    pub id: DeliveryId,
    /// To whom.
    pub to: Contact,
    /// What it says.
    pub letter: Letter,
    /// The date on it.
    pub date: DateTime<Utc>,
}

/// Puts mails together.
#[derive(Debug, Clone)]
pub struct Composer {
    from: Mailbox,
}

impl Composer {
    /// From this mailbox: "Souk <shop@example.com>".
    ///
    /// # Errors
    /// When it is none.
    pub fn new(from: &str) -> anyhow::Result<Self> {
        let from = from
            .parse()
            .with_context(|| format!("bad sender {from:?}"))?;
        Ok(Self { from })
    }

    /// The mail as it travels.
    ///
    /// # Errors
    /// [`SendError::Rejected`] when the address is none.
    pub fn compose(&self, mail: &Mail) -> Result<Message, SendError> {
        let rejected = |code: &str| SendError::Rejected(code.to_owned());
        let address = mail
            .to
            .email
            .parse()
            .map_err(|_| rejected("ADDRESS_INVALID"))?;
        // Clean already, but lettre panics at control characters.
        let name = Some(one_line(&mail.to.display_name)).filter(|name| !name.is_empty());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(name, address))
            .subject(mail.letter.subject.clone())
            .date(SystemTime::from(mail.date))
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            // No holiday notices in return (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(MultiPart::alternative_plain_html(
                mail.letter.text.clone(),
                mail.letter.html.clone(),
            ))
            .map_err(|_| rejected("MAIL_INVALID"))
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::id::AccountId;
    use uuid::Uuid;

    use super::*;

    fn composed(email: &str, name: &str) -> Result<String, SendError> {
        let mail = Mail {
            id: DeliveryId(Uuid::from_u128(1)),
            to: Contact {
                account_id: AccountId(Uuid::nil()),
                email: email.to_owned(),
                display_name: name.to_owned(),
            },
            letter: Letter {
                subject: "Hello".to_owned(),
                text: "text".to_owned(),
                html: "<p>html</p>".to_owned(),
            },
            date: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        };
        let composer = Composer::new("Souk <shop@souk.example>").unwrap();
        composer
            .compose(&mail)
            .map(|message| String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn the_message_id_is_the_deliverys() {
        let mail = composed("ana@example.com", "Ana").unwrap();
        let id = "Message-ID: <00000000-0000-0000-0000-000000000001@souk.example>\r\n";
        assert!(mail.contains(id), "{mail}");
        assert!(
            mail.contains("Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"),
            "{mail}"
        );
    }

    /// Even a name that was not cleaned before writes no header.
    #[test]
    fn a_name_writes_no_header() {
        for name in [
            "Eve\r\nBcc: all@example.com",
            "Eve\nX-Evil: 1",
            "\"Eve\" <e@x>, b",
            "Ünï\r\nBcc: c@x",
        ] {
            let mail = composed("eve@example.com", name).unwrap();
            let head = mail.split("\r\n\r\n").next().unwrap();
            for line in head.split("\r\n") {
                let field = line.split(':').next().unwrap();
                let known = [
                    "From",
                    "To",
                    "Subject",
                    "Date",
                    "Message-ID",
                    "Auto-Submitted",
                    "MIME-Version",
                    "Content-Type",
                ];
                assert!(
                    line.starts_with([' ', '\t']) || known.contains(&field),
                    "{line:?}"
                );
                assert!(!line.contains(['\r', '\n']), "{line:?}");
            }
        }
    }

    #[test]
    fn what_is_no_address_is_rejected() {
        for email in ["nobody", "a@b\r\nBcc: c@d", "a@b, c@d", "<a@b>", "@b", "a@"] {
            assert!(
                matches!(composed(email, ""), Err(SendError::Rejected(_))),
                "{email:?}"
            );
        }
    }
}
