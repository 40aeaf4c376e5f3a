//! What the process is told: flags that are also environment variables.

use clap::{Parser, ValueEnum};
use svc_kit::{
    auth::AuthConfig, db::DbConfig, nats::NatsConfig, server::ServerConfig,
    telemetry::TelemetryConfig,
};

/// Charges, refunds and the ledger.
#[derive(Debug, Clone, Parser)]
#[command(name = "svc-payment", version)]
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
    /// Who takes the money.
    #[arg(long, env = "SOUK_PAYMENT_PROVIDER", default_value = "sandbox")]
    pub payment_provider: ProviderName,
}

/// The providers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProviderName {
    /// Takes no money; answers by the token alone.
    Sandbox,
}
