//! The frame of a process: telemetry, runtime, signals.

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Shutdown,
    telemetry::{self, TelemetryConfig},
};

/// Runs a service until it is done or told to stop by SIGTERM or SIGINT.
///
/// # Errors
/// Whatever ends `main`; it is also logged.
pub fn run<F>(
    service: &'static str,
    config: &TelemetryConfig,
    main: impl FnOnce(Shutdown) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    // One provider for all of TLS; a second call finds the first one there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let telemetry = telemetry::start(service, config)?;
        let shutdown = Shutdown::new();
        stop_on_signals(shutdown.clone())?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
        let outcome = main(shutdown).await;
        match &outcome {
            Ok(()) => tracing::info!("stopped"),
            Err(error) => tracing::error!(error = format!("{error:#}"), "failed"),
        }
        telemetry.flush();
        outcome
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
