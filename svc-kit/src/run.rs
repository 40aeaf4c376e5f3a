//! The frame of a process: telemetry, runtime, signals, exit code.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Shutdown,
    telemetry::{self, TelemetryConfig},
};

/// Runs a service until it is done or told to stop by SIGTERM or SIGINT. What
/// ends it too early is one line in the log, or on standard error when there
/// is no log yet.
pub fn run<F>(
    service: &'static str,
    config: &TelemetryConfig,
    main: impl FnOnce(Shutdown) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    // One provider for all of TLS; a second call finds the first one there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match try_run(service, config, main) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{service}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn try_run<F>(
    service: &'static str,
    config: &TelemetryConfig,
    main: impl FnOnce(Shutdown) -> F,
) -> anyhow::Result<ExitCode>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    #[cfg(feature = "faults")]
    crate::fault::arm()?;
    runtime.block_on(async {
        let telemetry = telemetry::start(service, config)?;
        let shutdown = Shutdown::new();
        stop_on_signals(shutdown.clone())?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
        let code = match main(shutdown).await {
            Ok(()) => {
                tracing::info!("stopped");
                ExitCode::SUCCESS
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "failed");
                ExitCode::FAILURE
            }
        };
        telemetry.flush();
        Ok(code)
    })
}

fn stop_on_signals(shutdown: Shutdown) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        shutdown.stop();
    });
    Ok(())
}
