//! HAProxy, with its small-object cache and a stick table.

use std::fs;
use std::path::Path;

use super::super::server::{Ground, Listens, config};
use crate::stack::Launch;

pub(super) fn launch(
    launch: Launch,
    ground: &Ground<'_>,
    listens: Listens,
    dir: &Path,
) -> anyhow::Result<Launch> {
    let (origin, tls) = (ground.origin.address, &ground.tls);
    let Listens { https, http } = listens;
    // It wants the chain and the key in one file.
    let both = [
        fs::read_to_string(&tls.cert)?,
        fs::read_to_string(&tls.key)?,
    ]
    .concat();
    let pem = config(dir, "both.pem", &both)?;
    let pem = pem.display();
    let text = format!(
        "
global
  nbthread 1
  maxconn 9000
  tune.h2.max-concurrent-streams 256
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  http-reuse always
cache files
  total-max-size 256
  max-object-size 200000
  max-age 86400
frontend front
  bind 127.0.0.1:{https} ssl crt {pem} alpn h2,http/1.1
  bind 127.0.0.1:{http}
  stick-table type ip size 100k expire 2m store http_req_rate(60s)
  acl limited path /souk.identity.v1.IdentityService/LogIn
  http-request track-sc0 src if limited
  http-request deny deny_status 429 if limited {{ sc_http_req_rate(0) gt 2000000000 }}
  use_backend files if {{ path_beg /files/ }}
  default_backend calls
backend files
  http-request cache-use files
  http-response cache-store files
  server origin {origin}
backend calls
  server origin {origin} proto h2
"
    );
    let file = config(dir, "haproxy.cfg", &text)?;
    Ok(launch.arg("-f").arg(file))
}
