//! The edge's process.

use std::process::ExitCode;

use clap::Parser as _;
use edge::{App, Config};
use mimalloc::MiMalloc;

/// Each request makes and drops some dozens of small things.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let config = Config::parse();
    svc_kit::run("edge", &config.telemetry.clone(), async move |shutdown| {
        App::build(config).await?.run_until_stopped(shutdown).await
    })
}
