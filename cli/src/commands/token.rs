//! `souk token`: an access token for tools such as `buf curl`.

use std::process::ExitCode;

use clap::Args;

use crate::shop::{self, ShopArgs};

/// Prints an access token, of the staff account unless another is named.
///
/// Use it as `-H "authorization: Bearer $(bin/souk token)"`. It is good for
/// a quarter of an hour.
#[derive(Debug, Args)]
pub struct Token {
    /// The account's address.
    #[arg(long, requires = "password")]
    email: Option<String>,

    /// Its password.
    #[arg(long, env = "SOUK_PASSWORD", hide_env_values = true)]
    password: Option<String>,

    #[command(flatten)]
    shop: ShopArgs,
}

impl Token {
    /// Logs in and prints.
    ///
    /// # Errors
    /// When the shop is away or refuses.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (email, password) = if let (Some(email), Some(password)) = (self.email, self.password) {
            (email, password)
        } else {
            let staff = self.shop.staff()?;
            (staff.email, staff.password)
        };
        let channel = self.shop.connect().await?;
        println!("{}", shop::log_in(channel, &email, &password).await?);
        Ok(ExitCode::SUCCESS)
    }
}
