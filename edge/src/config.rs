//! What can be set. Flags are also environment variables; `--help` lists them.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use svc_kit::{auth::AuthConfig, nats::NatsConfig, telemetry::TelemetryConfig};

use crate::{
    access_log::AccessLogConfig, address::Network, config_file::Source, connection::Patience,
    limit::config::LimitConfig, site::Site, upstream::UpstreamConfig, warm::WarmConfig,
};

/// The edge proxy of Souk.
#[derive(Debug, Clone, Parser)]
#[command(name = "edge", version)]
pub struct Config {
    /// A TOML file of settings, by the names of these flags. It is read again
    /// on SIGHUP: the allowed origins, trusted proxies, access log, limits,
    /// services' addresses and certificates change at once, all else with a
    /// restart. What stands in a flag or in the environment wins over it.
    #[arg(long, env = "SOUK_EDGE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where HTTPS is answered.
    #[arg(long, env = "SOUK_EDGE_HTTPS_LISTEN", requires_all = ["tls_cert", "tls_key"])]
    pub https_listen: Option<SocketAddr>,
    /// Where plain HTTP is answered: for development, or behind a proxy that
    /// speaks TLS.
    #[arg(
        long,
        env = "SOUK_EDGE_HTTP_LISTEN",
        required_unless_present = "https_listen"
    )]
    pub http_listen: Option<SocketAddr>,
    /// The certificate chain, a PEM file. Several, with commas between, are
    /// chosen among by the name that a caller asks for; the first is for all
    /// others. The files are read again when they change.
    #[arg(long, env = "SOUK_EDGE_TLS_CERT", value_delimiter = ',')]
    pub tls_cert: Vec<PathBuf>,
    /// Its private key, a PEM file; of several, in the same order.
    #[arg(long, env = "SOUK_EDGE_TLS_KEY", value_delimiter = ',')]
    pub tls_key: Vec<PathBuf>,
    /// Where the platform team asks for health and metrics.
    #[arg(long, env = "SOUK_ADMIN_LISTEN")]
    pub admin_listen: SocketAddr,
    /// Origins whose scripts may read answers: "https://shop.example", with
    /// commas between.
    #[arg(long, env = "SOUK_EDGE_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,
    /// Proxies before the edge whose `x-forwarded-for` is believed: addresses
    /// and networks, with commas between.
    #[arg(long, env = "SOUK_EDGE_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
    /// Bytes that the cache may hold in memory. Of what lies on disk a sixteenth
    /// at most comes on top.
    #[arg(long, env = "SOUK_EDGE_CACHE_BYTES", default_value_t = 256 << 20)]
    pub cache_bytes: u64,
    /// A folder for large pages of origins, so that memory may let go of them.
    /// A restart begins with an empty one. Without it, what does not fit into
    /// memory is fetched again.
    #[arg(long, env = "SOUK_EDGE_CACHE_DISK_DIR")]
    pub cache_disk_dir: Option<PathBuf>,
    /// Bytes that the cache may hold in that folder.
    #[arg(
        long,
        env = "SOUK_EDGE_CACHE_DISK_BYTES",
        default_value_t = 10 << 30,
        value_parser = clap::value_parser!(u64).range(1 << 20..)
    )]
    pub cache_disk_bytes: u64,
    /// The largest body of a unary request.
    #[arg(long, env = "SOUK_EDGE_MAX_BODY_BYTES", default_value_t = 4 << 20)]
    pub max_body_bytes: usize,
    /// Connections at once; more are closed.
    #[arg(long, env = "SOUK_EDGE_MAX_CONNECTIONS", default_value_t = 20_000)]
    pub max_connections: usize,
    /// Connections at once from one address, or /64 of IPv6; more are closed.
    /// Trusted proxies may have all.
    #[arg(
        long,
        env = "SOUK_EDGE_MAX_CONNECTIONS_PER_ADDRESS",
        default_value_t = 10_000
    )]
    pub max_connections_per_address: usize,
    /// How long callers may take.
    #[command(flatten)]
    pub patience: Patience,
    /// How long a call may take whose method states no timeout.
    #[arg(long, env = "SOUK_EDGE_DEFAULT_TIMEOUT_MS", default_value_t = 10_000)]
    pub default_timeout_ms: u64,
    /// How long a stream may be silent that the service sends.
    #[arg(long, env = "SOUK_EDGE_WATCH_IDLE_SECONDS", default_value_t = 3600)]
    pub watch_idle_seconds: u64,
    /// How long a stream may be silent that the caller sends.
    #[arg(long, env = "SOUK_EDGE_UPLOAD_IDLE_SECONDS", default_value_t = 300)]
    pub upload_idle_seconds: u64,
    /// How long we go on as before after the wish to stop, while /readyz says
    /// no already: as long as load balancers take to notice.
    #[arg(long, env = "SOUK_EDGE_UNREADY_SECONDS", default_value_t = 0)]
    pub unready_seconds: u64,
    /// A Unix socket on which a new process of the edge asks this one for its
    /// listening sockets, and takes its place. The new one is started with the
    /// same flags.
    #[arg(long, env = "SOUK_EDGE_UPGRADE_SOCKET")]
    pub upgrade_socket: Option<PathBuf>,
    /// How long requests may go on after the wish to stop.
    #[arg(long, env = "SOUK_EDGE_DRAIN_SECONDS", default_value_t = 10)]
    pub drain_seconds: u64,
    /// Threads that answer requests; 0: one for each processor.
    #[arg(long, env = "SOUK_EDGE_THREADS", default_value_t = 0)]
    pub threads: usize,
    /// Which requests have a line in the log, and what it tells.
    #[command(flatten)]
    pub access_log: AccessLogConfig,
    /// What is asked before callers do.
    #[command(flatten)]
    pub warm: WarmConfig,
    /// HTTP/1.1 origins that the edge stands before and caches, by the paths
    /// that lead to them: "/media=http://127.0.0.1:8080", with commas between.
    #[arg(long = "origin", env = "SOUK_EDGE_ORIGINS", value_delimiter = ',')]
    pub origins: Vec<Site>,
    /// The most requests to one origin at once; more are refused, so that an
    /// origin that hangs takes nothing from the others.
    #[arg(
        long,
        env = "SOUK_EDGE_MAX_REQUESTS_PER_ORIGIN",
        default_value_t = 2000
    )]
    pub max_requests_per_origin: usize,
    /// How often callers may call.
    #[command(flatten)]
    pub limits: LimitConfig,
    /// Where the services are.
    #[command(flatten)]
    pub upstreams: UpstreamConfig,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// Where purges and revocations come from.
    #[command(flatten)]
    pub nats: NatsConfig,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// What all this was made of.
    #[arg(skip)]
    pub source: Source,
}
