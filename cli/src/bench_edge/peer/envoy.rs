//! Envoy, with HTTP/2 on both sides and `jwt_authn` for the calls of
//! customers.

use std::path::Path;

use serde_json::json;

use super::super::server::{Ground, Listens, config};
use super::super::token::PARTY;
use crate::stack::Launch;

pub(super) fn launch(
    launch: Launch,
    ground: &Ground<'_>,
    listens: Listens,
    dir: &Path,
) -> anyhow::Result<Launch> {
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.{name}");
    let at = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let filters = json!([
        {
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": kind("filters.http.jwt_authn.v3.JwtAuthentication"),
                "providers": {"souk": {
                    "issuer": PARTY, "audiences": [PARTY],
                    "local_jwks": {"inline_string": ground.jwks},
                }},
                "rules": [{
                    "match": {"prefix": "/souk.order.v1."},
                    "requires": {"provider_name": "souk"},
                }],
            },
        },
        {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": kind("filters.http.router.v3.Router")},
        },
    ]);
    let manager = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": kind("filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "front",
            "codec_type": "AUTO",
            "http2_protocol_options": {"max_concurrent_streams": 256},
            "http_filters": filters,
            "route_config": {"virtual_hosts": [{
                "name": "all", "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}],
            }]},
        },
    });
    let tls = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": kind("transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_2",
                    "tls_maximum_protocol_version": "TLSv1_3",
                },
                "tls_certificates": [{
                    "certificate_chain": {"filename": ground.tls.cert},
                    "private_key": {"filename": ground.tls.key},
                }],
            },
        },
    });
    let origin = ground.origin.address.port();
    let cluster = json!({
        "name": "origin",
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [{"max_requests": 16384, "max_pending_requests": 16384}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": kind("upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
        "load_assignment": {
            "cluster_name": "origin",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(origin)}}]}],
        },
    });
    let text = json!({"static_resources": {
        "listeners": [{
            "name": "front",
            "address": at(listens.https),
            "filter_chains": [{"transport_socket": tls, "filters": [manager]}],
        }],
        "clusters": [cluster],
    }});
    let file = config(dir, "envoy.json", &text.to_string())?;
    Ok(launch
        .args(["--concurrency", "1", "--disable-hot-restart"])
        .args(["--log-level", "warning"])
        .arg("-c")
        .arg(file))
}
