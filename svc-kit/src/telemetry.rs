//! Logs and traces. Logs are JSON lines on standard output; each line within
//! a call carries its `trace_id`. Traces go out by OTLP when there is
//! somewhere to send them.

use anyhow::Context as _;
use opentelemetry::{
    Context, KeyValue,
    trace::{
        SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
        TracerProvider as _,
    },
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// How a process tells what it does.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryConfig {
    /// What is logged: "info", "warn,svc_order=debug".
    #[arg(long = "log", env = "SOUK_LOG", default_value = "info")]
    pub log: String,
    /// How a log line looks.
    #[arg(long, env = "SOUK_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// Where traces go by OTLP over gRPC: "http://localhost:4317".
    #[arg(long, env = "SOUK_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For machines.
    Json,
    /// For people.
    Text,
}

/// Keeps the exporter alive.
pub(crate) struct Telemetry(SdkTracerProvider);

impl Telemetry {
    /// Sends what is not sent yet.
    pub(crate) fn flush(&self) {
        // There is nobody left to tell when this fails.
        let _ = self.0.shutdown();
    }
}

pub(crate) fn start(service: &'static str, config: &TelemetryConfig) -> anyhow::Result<Telemetry> {
    let filter: EnvFilter = config
        .log
        .parse()
        .with_context(|| format!("bad log filter {:?}", config.log))?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    if let Some(endpoint) = &config.otlp_endpoint {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .with_context(|| format!("bad OTLP endpoint {endpoint:?}"))?;
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();
    let lines = match config.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer(service)))
        .with(lines)
        .try_init()
        .context("telemetry was started twice")?;
    Ok(Telemetry(provider))
}

/// The W3C `traceparent` of the current span, to be handed on.
pub fn current_traceparent() -> Option<String> {
    let context = Span::current().context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            context.trace_flags().to_u8()
        )
    })
}

/// Lets a span continue the trace that the `traceparent` names, or begin one,
/// and records the trace's id in the span's field `trace_id`, which must have
/// been declared empty.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    if let Some(parent) = traceparent.and_then(parse_traceparent) {
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    let context = span.context();
    let trace_id = context.span().span_context().trace_id();
    if trace_id != TraceId::INVALID {
        span.record("trace_id", tracing::field::display(trace_id));
    }
}

/// <https://www.w3.org/TR/trace-context/#traceparent-header>
fn parse_traceparent(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace_id, span_id, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let sizes =
        version.len() == 2 && trace_id.len() == 32 && span_id.len() == 16 && flags.len() == 2;
    if !sizes || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace_id).ok()?,
        SpanId::from_hex(span_id).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_or_ignored() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            parse_traceparent(good).unwrap().trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        for bad in [
            "",
            "00-0-0-0",
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &format!("{good}-x"),
            &good.replacen("00", "ff", 1),
        ] {
            assert!(parse_traceparent(bad).is_none(), "{bad}");
        }
    }
}
