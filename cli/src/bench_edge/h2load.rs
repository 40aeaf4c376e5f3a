//! Who sends the requests: h2load, for a time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

use super::figures::Figure;
use super::proc::Usage;
use super::row::Row;
use super::server::{Ground, Server};
use crate::checkout;

/// So many answers of a cache may come from the origin, its first...
const FIRST_FETCHES: u64 = 5;
/// ...and one of so many, which it fetched again.
const ANSWERS_FOR_A_FETCH: u64 = 1000;

/// The program.
#[derive(Debug)]
pub(super) struct H2load {
    program: PathBuf,
}

/// What a server did under load.
#[derive(Debug)]
pub(super) struct Loaded {
    per_second: f64,
    done: u64,
    cpu: Duration,
}

/// What the program prints.
#[derive(Debug, PartialEq)]
struct Printed {
    per_second: f64,
    done: u64,
    good: u64,
    data_bytes: u64,
}

impl H2load {
    pub(super) fn find() -> anyhow::Result<Self> {
        let program = checkout::on_path("h2load")
            .context("h2load is missing; bin/setup bench installs it")?;
        Ok(Self { program })
    }

    /// Loads a server, and sees that the answers came from where they should.
    pub(super) async fn measure(
        &self,
        row: Row,
        server: &Server,
        ground: &Ground<'_>,
        time: Duration,
    ) -> anyhow::Result<Figure> {
        let before = ground.origin.count();
        let loaded = self.load(row, server, ground, time).await?;
        let (done, asked) = (loaded.done, ground.origin.count() - before);
        // Of the last requests no answer is waited for.
        let right = if row.shape().cached {
            asked <= FIRST_FETCHES + done / ANSWERS_FOR_A_FETCH
        } else {
            asked >= done
        };
        ensure!(
            right,
            "{row}, {}: {done} answers, {asked} from the origin",
            server.peer
        );
        Ok(Figure::new(loaded.per_second, loaded.cpu, done))
    }

    /// Loads a server, and sees that it gave the answers that it should.
    pub(super) async fn load(
        &self,
        row: Row,
        server: &Server,
        ground: &Ground<'_>,
        time: Duration,
    ) -> anyhow::Result<Loaded> {
        let name = format!("{row}, {}", server.peer);
        let shape = row.shape();
        let (connections, streams) = row.load();
        let mut command = ground.beside(&self.program);
        command
            .args(["-t", "1", "-c", &connections.to_string()])
            .args(["-m", &streams.to_string()])
            .args(["-D", &time.as_secs().max(1).to_string()]);
        if shape.plain {
            command.arg("--h1");
        }
        if let Some(kind) = shape.content_type {
            command.args(["-H", &format!("content-type: {kind}")]);
            command.args(["-H", "te: trailers"]);
        }
        if shape.with_token {
            command.args(["-H", &format!("authorization: Bearer {}", ground.token)]);
        }
        if let Some(body) = &shape.body {
            let file = ground.dir.join("body");
            std::fs::write(&file, body)?;
            command.arg("-d").arg(&file);
        }
        command.arg(server.url(&shape));

        let before = Usage::of(server.pid())?;
        let text = output(command).await.with_context(|| name.clone())?;
        let after = Usage::of(server.pid())?;

        let printed = Printed::parse(&text)
            .with_context(|| format!("{name}: h2load printed no figures:\n{text}"))?;
        let Printed { done, good, .. } = printed;
        ensure!(
            good >= done && done > 0,
            "{name}: of {done} answers {good} were good:\n{text}"
        );
        let at_once = (connections * streams) as u64;
        let (bytes, each) = (printed.data_bytes, shape.answer_bytes as u64);
        ensure!(
            (done * each..=(done + at_once) * each).contains(&bytes),
            "{name}: {done} answers had {bytes} bytes, not {each} each"
        );
        Ok(Loaded {
            per_second: printed.per_second,
            done,
            cpu: after.cpu.saturating_sub(before.cpu),
        })
    }
}

async fn output(mut command: Command) -> anyhow::Result<String> {
    let made = command
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start h2load")?;
    if !made.status.success() {
        bail!("h2load: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(String::from_utf8_lossy(&made.stdout).into_owned())
}

impl Printed {
    fn parse(text: &str) -> Option<Self> {
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        let count = |line: &str, what: &str| -> Option<u64> {
            line.split(", ")
                .find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
        };
        let per_second = line("finished in ")?
            .split(", ")
            .find_map(|part| part.strip_suffix(" req/s")?.parse().ok())?;
        let data_bytes = line("traffic: ")?
            .strip_suffix(") data")?
            .rsplit_once('(')?
            .1
            .parse()
            .ok()?;
        Some(Self {
            per_second,
            done: count(line("requests: ")?, "done")?,
            good: count(line("status codes: ")?, "2xx")?,
            data_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_prints_is_read() {
        let text = "\
finished in 2.01s, 64235.50 req/s, 9.73MB/s
requests: 128471 total, 128503 started, 128471 done, 128470 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 128470 2xx, 0 3xx, 1 4xx, 0 5xx
traffic: 19.46MB (20409399) total, 13.35MB (14003443) headers (space savings 0.00%), 1.35MB (1413247) data
";
        let printed = Printed::parse(text).unwrap();
        assert_eq!((printed.done, printed.good), (128_471, 128_470));
        assert_eq!(printed.data_bytes, 1_413_247);
        assert!((printed.per_second - 64_235.5).abs() < f64::EPSILON);
        assert_eq!(Printed::parse("failed"), None);
    }
}
