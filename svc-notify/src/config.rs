//! What the process is told: flags that are also environment variables.

use std::path::PathBuf;

use clap::Parser;
use svc_kit::{
    auth::AuthConfig, db::DbConfig, nats::NatsConfig, secret::Secret, server::ServerConfig,
    telemetry::TelemetryConfig,
};

/// Tells people what happened.
#[derive(Debug, Clone, Parser)]
#[command(name = "svc-notify", version)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the command")]
    pub telemetry: TelemetryConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the command")]
    pub server: ServerConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the command")]
    pub db: DbConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the command")]
    pub nats: NatsConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the command")]
    pub auth: AuthConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the command")]
    pub mail: MailConfig,
}

/// How mail leaves.
#[derive(Debug, Clone, clap::Args)]
pub struct MailConfig {
    /// The mail server: "smtp://host:25", "smtp://user:password@host:587?tls=required"
    /// (STARTTLS), "smtps://host".
    #[arg(long, env = "SOUK_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<Secret>,
    /// Without a mail server: where mails are put as `.eml` files.
    #[arg(long, env = "SOUK_MAIL_DIR")]
    pub mail_dir: Option<PathBuf>,
    /// Who the mails are from: "Souk <shop@example.com>".
    #[arg(
        long,
        env = "SOUK_MAIL_FROM",
        default_value = "Souk <shop@souk.example>"
    )]
    pub mail_from: String,
}
