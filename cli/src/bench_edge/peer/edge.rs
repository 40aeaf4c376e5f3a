//! Our own, with every service at the origin.

use super::super::server::{Ground, Listens};
use crate::stack::Launch;

/// The most that may be set: never reached, but counted up to.
const PER_MINUTE: &str = "60000000";

pub(super) fn launch(launch: Launch, ground: &Ground<'_>, listens: Listens) -> Launch {
    let origin = format!("http://{}", ground.origin.address);
    let services = ["IDENTITY", "CATALOG", "ORDER", "PAYMENT", "NOTIFY"];
    let launch = services.iter().fold(launch, |launch, service| {
        launch.env(format!("SOUK_{service}_URL"), &origin)
    });
    // Only calls of this class are counted.
    let limits = [
        ("READ", "0"),
        ("WRITE", "0"),
        ("SEARCH", "0"),
        ("AUTH", PER_MINUTE),
    ];
    let launch = limits.iter().fold(launch, |launch, (class, limit)| {
        launch.env(format!("SOUK_EDGE_RATE_{class}_PER_MINUTE"), limit)
    });
    launch
        .env("SOUK_EDGE_HTTPS_LISTEN", local(listens.https))
        .env("SOUK_EDGE_HTTP_LISTEN", local(listens.http))
        .env("SOUK_ADMIN_LISTEN", local(ground.port()))
        .env("SOUK_EDGE_TLS_CERT", &ground.tls.cert)
        .env("SOUK_EDGE_TLS_KEY", &ground.tls.key)
        .env("SOUK_EDGE_THREADS", "1")
        .env("SOUK_JWKS_URL", format!("{origin}/.well-known/jwks.json"))
        .env("SOUK_EDGE_ORIGINS", format!("/files={origin}"))
        .env("SOUK_NATS_URL", ground.servers.nats_url())
        .env("SOUK_REDIS_URL", ground.servers.redis_url())
        .env("SOUK_LOG", "info,edge::access=off")
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
