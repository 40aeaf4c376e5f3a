//! Calls to neighbours. A channel hands on the trace, what is left of the
//! caller's time, and the proof that the call comes from within the mesh.

use std::time::Duration;

use anyhow::Context as _;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Endpoint,
};

use crate::{deadline, secret::Secret, telemetry};

/// The metadata key of the mesh's shared secret.
pub const INTERNAL: &str = "souk-internal";

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often an idle connection is checked.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How calls to neighbours are made.
#[derive(Debug, Clone, clap::Args)]
pub struct ClientConfig {
    /// How long a call to a neighbour may take when the caller sets no
    /// shorter limit, in milliseconds.
    #[arg(
        long = "call-timeout-ms",
        env = "SOUK_CALL_TIMEOUT_MS",
        default_value_t = 2000
    )]
    pub timeout_ms: u64,
}

/// A connection to a neighbour; cheap to clone.
pub type Channel = InterceptedService<tonic::transport::Channel, Outgoing>;

/// A channel that connects when it is first used.
///
/// # Errors
/// When the URL is malformed.
pub fn channel(
    url: &str,
    config: &ClientConfig,
    internal_secret: Option<&Secret>,
) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("bad service URL {url:?}"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    let secret = internal_secret
        .map(|secret| MetadataValue::try_from(secret.expose()))
        .transpose()
        .map_err(|_| anyhow::anyhow!("the internal secret is not plain ASCII"))?;
    let outgoing = Outgoing {
        secret,
        timeout: Duration::from_millis(config.timeout_ms),
    };
    Ok(InterceptedService::new(endpoint.connect_lazy(), outgoing))
}

/// Puts on each call what must travel with it.
#[derive(Clone)]
pub struct Outgoing {
    secret: Option<MetadataValue<Ascii>>,
    timeout: Duration,
}

impl Interceptor for Outgoing {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let left = deadline::remaining().map_or(self.timeout, |left| left.min(self.timeout));
        if left.is_zero() {
            return Err(Status::deadline_exceeded("deadline exceeded"));
        }
        request.set_timeout(left);
        let metadata = request.metadata_mut();
        if let Some(secret) = &self.secret {
            metadata.insert(INTERNAL, secret.clone());
        }
        if let Some(traceparent) =
            telemetry::current_traceparent().and_then(|text| text.parse().ok())
        {
            metadata.insert("traceparent", traceparent);
        }
        Ok(request)
    }
}
