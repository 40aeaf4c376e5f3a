//! A private NATS server with JetStream, which syncs before it acknowledges.

use super::crew::{Crew, Plan};
use super::ready::Ready;
use super::secrets::{private_dir, write_private};
use super::{Launch, Output, Process};
use crate::checkout;

/// The user of the services.
pub(super) const USER: &str = "souk";

pub(super) async fn start(
    crew: &Crew,
    port: u16,
    password: Option<&str>,
    durable: bool,
) -> anyhow::Result<()> {
    let home = crew.dir().join(Process::Nats.name());
    private_dir(&home)?;
    let config = home.join("nats.conf");
    // Its default would be two minutes, in which a power cut loses what was
    // acknowledged.
    let sync = if durable { "always" } else { "\"2m\"" };
    let authorization = password.map_or_else(String::new, |password| {
        format!("authorization {{\n  user: {USER}\n  password: \"{password}\"\n}}\n")
    });
    write_private(
        &config,
        format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: souk\n\
             jetstream {{\n  store_dir: \"{}\"\n  sync_interval: {sync}\n}}\n\
             {authorization}",
            home.display()
        )
        .as_bytes(),
    )?;
    let program = checkout::tool("nats-server")?;
    let launch = Launch::new(program, Output::Log(crew.log_path(Process::Nats)))
        .arg("-c")
        .arg(&config);
    let plan = Plan {
        launch,
        ready: Ready::Nats { port },
        ports: vec![(port, "NATS")],
    };
    crew.start(Process::Nats, plan).await
}
