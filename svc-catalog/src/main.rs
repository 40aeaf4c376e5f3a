//! svc-catalog.

use std::process::ExitCode;

use clap::Parser as _;
use svc_catalog::{config::Config, process::Process};

fn main() -> ExitCode {
    let config = Config::parse();
    svc_kit::run(
        "svc-catalog",
        &config.telemetry.clone(),
        async move |shutdown| {
            let process = Process::build(config).await?;
            Box::pin(process.run_until_stopped(shutdown)).await
        },
    )
}
