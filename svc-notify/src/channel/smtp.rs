//! Mail to a mail server. Its answers are told as codes: their text may hold
//! addresses.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor, transport::smtp::Error,
};
use svc_kit::secret::Secret;

use crate::delivery::SendError;

/// How long the mail server may take to answer one command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// Permanent answers that are about us and not about the mail: who we are is
/// not accepted (RFC 4954). Somebody mends that, and then the mail can go out.
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];

/// A mail server.
#[derive(Debug, Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    /// A mail server that is connected to for each mail.
    ///
    /// # Errors
    /// When the URL makes no sense.
    pub fn new(url: &Secret) -> anyhow::Result<Self> {
        // The error would show the URL, and with it a password.
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
            .map_err(|_| anyhow::anyhow!("the mail server's URL is malformed"))?;
        Ok(Self {
            transport: builder.timeout(Some(COMMAND_TIMEOUT)).build(),
        })
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), SendError> {
        self.transport
            .send(message)
            .await
            .map(drop)
            .map_err(|error| judge(&error))
    }
}

fn judge(error: &Error) -> SendError {
    match error.status().map(u16::from) {
        Some(code) if error.is_permanent() && !ABOUT_US.contains(&code) => {
            SendError::Rejected(format!("SMTP_{code}"))
        }
        Some(code) => SendError::Later(format!("SMTP_{code}")),
        // What we want to say cannot be said to this server, now or ever: an
        // address that needs SMTPUTF8.
        None if error.is_client() => SendError::Rejected("SMTP_CLIENT".to_owned()),
        None if error.is_timeout() => SendError::Later("TIMEOUT".to_owned()),
        None if error.is_tls() => SendError::Later("TLS".to_owned()),
        None => SendError::Later("CONNECTION".to_owned()),
    }
}
