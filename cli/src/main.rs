//! The `souk` command. Parsing and exit codes only.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use souk::commands::{
    bench_edge, bench_orders, events, import, load, reconcile, servers, token, up,
};

/// Runs, feeds and tries a local Souk.
#[derive(Debug, Parser)]
#[command(name = "souk", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Servers(servers::RunWithServers),
    Import(import::ImportFile),
    Events(events::Events),
    Load(load::Load),
    Token(token::Token),
    Reconcile(reconcile::Reconcile),
    BenchOrders(bench_orders::BenchOrders),
    BenchEdge(bench_edge::BenchEdge),
}

/// What a command that could not do its work at all exits with.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Whoever came first chose the same one.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("souk: cannot start: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Command::Up(up) => up.run().await,
            Command::Servers(servers) => servers.run().await,
            Command::Import(import) => import.run().await,
            Command::Events(events) => events.run().await,
            Command::Load(load) => load.run().await,
            Command::Token(token) => token.run().await,
            Command::Reconcile(reconcile) => reconcile.run().await,
            Command::BenchOrders(bench) => bench.run().await,
            Command::BenchEdge(bench) => bench.run().await,
        }
    });
    // A thread that still reads a slow file must not keep us.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| {
        eprintln!("souk: {error:#}");
        ExitCode::from(FAILED)
    })
}
