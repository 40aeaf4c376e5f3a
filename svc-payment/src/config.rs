//! What the process is told: flags that are also environment variables.

use clap::Parser;
use svc_kit::{
    auth::AuthConfig, db::DbConfig, nats::NatsConfig, server::ServerConfig,
    telemetry::TelemetryConfig,
};

use crate::provider::{ProviderName, stripe::StripeConfig};

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
    /// Who takes it while that one does not answer; without it, nobody.
    #[arg(long, env = "SOUK_PAYMENT_FALLBACK_PROVIDER")]
    pub payment_fallback_provider: Option<ProviderName>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the command")]
    pub stripe: StripeConfig,
}
