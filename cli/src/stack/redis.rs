//! A private Redis that keeps what it was told.

use super::crew::{Crew, Plan};
use super::ready::Ready;
use super::secrets::{private_dir, write_private};
use super::{Launch, Output, Process};
use crate::checkout;

pub(super) async fn start(
    crew: &Crew,
    port: u16,
    password: &str,
    durable: bool,
) -> anyhow::Result<()> {
    let home = crew.dir().join(Process::Redis.name());
    private_dir(&home)?;
    let config = home.join("redis.conf");
    let append = if durable { "yes" } else { "no" };
    write_private(
        &config,
        format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir \"{}\"\n\
             appendonly {append}\nappendfsync everysec\nsave \"\"\n\
             maxmemory-policy noeviction\ndaemonize no\n",
            home.display()
        )
        .as_bytes(),
    )?;
    let program = checkout::tool("redis-server")?;
    let launch = Launch::new(program, Output::Log(crew.log_path(Process::Redis))).arg(&config);
    let plan = Plan {
        launch,
        ready: Ready::Redis {
            port,
            password: password.to_owned(),
        },
        ports: vec![(port, "Redis")],
    };
    crew.start(Process::Redis, plan).await
}
