//! Starts svc-identity.

use std::process::ExitCode;

use clap::Parser as _;
use svc_identity::{app::App, config::Config};

fn main() -> ExitCode {
    let config = Config::parse();
    svc_kit::run(
        "svc-identity",
        &config.telemetry.clone(),
        async move |shutdown| App::build(config).await?.run_until_stopped(shutdown).await,
    )
}
