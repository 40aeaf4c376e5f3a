//! The edge's process.

use std::process::ExitCode;

use clap::Parser as _;
use edge::{App, Config};

fn main() -> ExitCode {
    let config = Config::parse();
    svc_kit::run("edge", &config.telemetry.clone(), async move |shutdown| {
        App::build(config).await?.run_until_stopped(shutdown).await
    })
}
