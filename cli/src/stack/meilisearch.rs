//! A private Meilisearch, for machines that have its binary.

use std::path::PathBuf;

use super::crew::{Crew, Plan};
use super::ready::Ready;
use super::secrets::private_dir;
use super::{Launch, Output, Process};
use crate::checkout;

/// Its binary, if it is on the PATH.
pub(super) fn binary() -> Option<PathBuf> {
    checkout::on_path("meilisearch")
}

pub(super) async fn start(
    crew: &Crew,
    program: PathBuf,
    port: u16,
    key: &str,
) -> anyhow::Result<()> {
    let home = crew.dir().join(Process::Meilisearch.name());
    private_dir(&home)?;
    let launch = Launch::new(program, Output::Log(crew.log_path(Process::Meilisearch)))
        .arg("--no-analytics")
        .arg("--db-path")
        .arg(home.join("data"))
        .arg("--dump-dir")
        .arg(home.join("dumps"))
        .args(["--http-addr", &format!("127.0.0.1:{port}")])
        .args(["--env", "production"])
        .env("MEILI_MASTER_KEY", key);
    let plan = Plan {
        launch,
        ready: Ready::Http(format!("http://127.0.0.1:{port}/health")),
        ports: vec![(port, "Meilisearch")],
    };
    crew.start(Process::Meilisearch, plan).await
}
