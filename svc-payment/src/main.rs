//! The process.

use clap::Parser as _;
use svc_payment::{app::App, config::Config};

fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let telemetry = config.telemetry.clone();
    svc_kit::run("svc-payment", &telemetry, async move |shutdown| {
        App::build(config).await?.run_until_stopped(shutdown).await
    })
}
