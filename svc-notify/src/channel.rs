//! How a message leaves: by SMTP, or as files for development. A message that
//! leaves twice, after a crash, has the same Message-ID, or the same file name.

mod files;
mod mail;
mod smtp;

use anyhow::bail;

pub use files::Files;
pub use mail::{Composer, Mail};
pub use smtp::Smtp;

use crate::{config::MailConfig, delivery::SendError};

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum Channel {
    /// To a mail server.
    Smtp(Smtp),
    /// To a directory.
    Files(Files),
}

/// Puts mails together and sends them.
#[derive(Debug, Clone)]
pub struct Mailer {
    composer: Composer,
    channel: Channel,
}

impl Mailer {
    /// As configured; nothing is connected yet.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub fn new(config: &MailConfig) -> anyhow::Result<Self> {
        let channel = match (&config.smtp_url, &config.mail_dir) {
            (Some(url), _) => Channel::Smtp(Smtp::new(url)?),
            (None, Some(directory)) => Channel::Files(Files::new(directory.clone())),
            (None, None) => bail!("neither SOUK_SMTP_URL nor SOUK_MAIL_DIR is set"),
        };
        Ok(Self {
            composer: Composer::new(&config.mail_from)?,
            channel,
        })
    }

    /// Sends one mail.
    ///
    /// # Errors
    /// [`SendError`] says whether it is worth trying again.
    pub async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let message = self.composer.compose(mail)?;
        match &self.channel {
            Channel::Smtp(smtp) => smtp.send(message).await,
            Channel::Files(files) => files.write(mail.id, &message.formatted()).await,
        }
    }
}
