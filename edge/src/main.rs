//! The edge's process.

use std::process::ExitCode;

use edge::{App, config_file, foreign_log};
use mimalloc::MiMalloc;

/// Each request makes and drops some dozens of small things.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    foreign_log::install();
    let config = match config_file::load(std::env::args_os().collect()) {
        Ok(config) => config,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(error) => error.exit(),
            Err(error) => {
                eprintln!("edge: {error:#}");
                return ExitCode::FAILURE;
            }
        },
    };
    svc_kit::run("edge", &config.telemetry.clone(), async move |shutdown| {
        // Too large to lie on a stack.
        Box::pin(App::build(config).await?.run_until_stopped(shutdown)).await
    })
}
