//! A Redis that forgets everything.

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Empties the Redis of that address.
pub(super) async fn empty(url: &str) -> anyhow::Result<()> {
    let url: http::Uri = url.parse().context("the address of Redis")?;
    let authority = url.authority().context("the address of Redis")?.as_str();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let password = user.rsplit_once(':').map_or("", |(_, password)| password);
    let mut stream = BufReader::new(TcpStream::connect(host).await?);
    let commands = format!("AUTH {password}\r\nFLUSHALL\r\n");
    stream.write_all(commands.as_bytes()).await?;
    for _ in 0..2 {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if !line.starts_with("+OK") {
            bail!("Redis says {}", line.trim());
        }
    }
    Ok(())
}
