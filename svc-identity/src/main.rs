//! Starts svc-identity.

use clap::Parser as _;
use svc_identity::{app::App, config::Config};

fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    svc_kit::run(
        "svc-identity",
        &config.telemetry.clone(),
        async move |shutdown| App::build(config).await?.run_until_stopped(shutdown).await,
    )
}
