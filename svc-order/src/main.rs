//! The process.

use std::process::ExitCode;

use clap::Parser as _;
use svc_order::{app::App, config::Config};

fn main() -> ExitCode {
    let config = Config::parse();
    let telemetry = config.telemetry.clone();
    svc_kit::run("svc-order", &telemetry, |shutdown| async move {
        App::build(config).await?.run_until_stopped(shutdown).await
    })
}
