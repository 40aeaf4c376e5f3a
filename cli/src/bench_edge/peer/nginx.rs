//! nginx, with `proxy_cache` and `grpc_pass`.

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
    let (cert, key, at) = (tls.cert.display(), tls.key.display(), dir.display());
    let Listens { https, http } = listens;
    let text = format!(
        r#"
worker_processes 1;
worker_rlimit_nofile 20000;
user root root;
daemon off;
pid {at}/pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  sendfile on;
  client_body_temp_path {at}/body;
  proxy_temp_path {at}/proxy;
  fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi;
  scgi_temp_path {at}/scgi;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams 256;
  client_body_buffer_size 16k;
  client_body_in_single_buffer on;
  open_file_cache max=1000;
  proxy_cache_path {at}/cache keys_zone=cache:16m max_size=256m inactive=1d use_temp_path=off;
  proxy_cache_lock on;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  limit_req_zone $binary_remote_addr zone=limit:16m rate=1000000r/s;
  upstream origin {{
    server {origin};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  # Kept connections of HTTP/1 and HTTP/2 must not be mixed.
  upstream grpc_origin {{
    server {origin};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{https} ssl http2;
    listen 127.0.0.1:{http};
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location = /souk.catalog.v1.CatalogService/GetProduct {{
      proxy_pass http://origin;
      proxy_cache cache;
      proxy_cache_methods POST;
      proxy_cache_key $request_uri$request_body;
      proxy_cache_valid 200 1d;
    }}
    location /files/ {{
      proxy_pass http://origin;
      proxy_cache cache;
    }}
    location = /souk.identity.v1.IdentityService/LogIn {{
      limit_req zone=limit burst=1000000 nodelay;
      grpc_pass grpc://grpc_origin;
    }}
    location / {{
      error_page 418 = @web;
      if ($http_content_type = "application/grpc-web+proto") {{ return 418; }}
      grpc_pass grpc://grpc_origin;
    }}
    location @web {{ proxy_pass http://origin; }}
  }}
}}
"#
    );
    let file = config(dir, "nginx.conf", &text)?;
    Ok(launch.arg("-c").arg(file))
}
