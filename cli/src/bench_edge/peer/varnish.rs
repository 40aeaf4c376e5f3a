//! Varnish, which caches GETs over HTTP/1.1. It has as many threads as it
//! likes.

use std::path::Path;

use super::super::server::{Ground, Listens, config};
use crate::stack::Launch;

pub(super) fn launch(
    launch: Launch,
    ground: &Ground<'_>,
    listens: Listens,
    dir: &Path,
) -> anyhow::Result<Launch> {
    let origin = ground.origin.address;
    let text = format!(
        "vcl 4.1;\nbackend default {{ .host = \"{}\"; .port = \"{}\"; }}\n",
        origin.ip(),
        origin.port()
    );
    let file = config(dir, "default.vcl", &text)?;
    Ok(launch
        .args(["-F", "-j", "none", "-T", "none", "-s", "malloc,256m"])
        .arg("-a")
        .arg(format!("127.0.0.1:{}", listens.http))
        .arg("-n")
        .arg(dir.join("work"))
        .arg("-f")
        .arg(file))
}
