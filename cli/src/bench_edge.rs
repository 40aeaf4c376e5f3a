//! The edge side by side with the proxies that people already trust: requests
//! per second and CPU for each, on one machine, in one run. It judges nothing
//! but the bars of the design: it measures and prints.
//!
//! Every server has one thread and one processor, the same certificate and the
//! same origin, keeps its connections to it, and writes no access log. Only
//! one is under load at a time, and they take turns.

mod figures;
mod h2load;
mod idle;
mod origin;
mod peer;
mod proc;
mod row;
mod server;
mod token;

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub use figures::Figures;
pub use row::Row;

use self::figures::{Figure, Measured};
use self::origin::Origin;
use self::peer::Peer;
use self::server::{Ground, Server};
use self::token::Issuer;
use crate::stack::{Ports, Progress, Servers, ServersOptions};

/// How often a round of a server is tried.
const MAX_TRIES: usize = 3;
/// How long a server is warmed up for a row, once.
const WARM_UP: Duration = Duration::from_secs(1);

/// How a run is made.
#[derive(Clone, Debug)]
pub struct BenchEdgeOptions {
    /// The folder of all that is started; emptied first.
    pub dir: PathBuf,
    /// How long each single measurement takes.
    pub each: Duration,
    /// How often each is made; what is printed is the median.
    pub rounds: usize,
    /// What is measured.
    pub rows: Vec<Row>,
    /// Connections of the measurement of memory.
    pub idle_connections: usize,
}

/// Starts the servers, measures them in turn, and stops them.
///
/// # Errors
/// When a server does not start, or does not answer as it should.
pub async fn run(options: &BenchEdgeOptions, say: impl Fn(&str)) -> anyhow::Result<Figures> {
    // A connection is a file, to us and to the servers, who inherit this.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let h2load = h2load::H2load::find()?;
    let servers = Servers::start(ServersOptions {
        dir: options.dir.clone(),
        ports: Ports::Free,
        keep_data: false,
        durable: false,
        nats_password: false,
        progress: Progress::silent(),
    })
    .await?;
    let issuer = Issuer::new()?;
    let origin = Origin::start(issuer.jwks()).await?;
    let ground = Ground::prepare(&servers, &origin, &issuer)?;
    let mut figures = Figures::new(options.each, options.rounds, ground.versions(&say));

    if options.rows.contains(&Row::Idle) {
        let mut measured = Measured::new(Row::Idle);
        for peer in ground.peers_of(Row::Idle) {
            say(&format!("{}: {peer}", Row::Idle));
            let server = Server::start(&ground, peer).await?;
            let bytes = idle::measure(&server, options.idle_connections).await?;
            server.stop().await;
            measured.memory(peer, bytes);
        }
        say(measured.to_string().trim_end());
        figures.push(measured);
    }

    let under_load: Vec<Row> = options
        .rows
        .iter()
        .copied()
        .filter(|row| *row != Row::Idle)
        .collect();
    let mut started: Vec<Server> = Vec::new();
    for peer in Peer::ALL {
        if under_load
            .iter()
            .any(|row| ground.peers_of(*row).contains(&peer))
        {
            started.push(Server::start(&ground, peer).await?);
        }
    }
    for row in under_load {
        let mut contenders: Vec<&Server> = Vec::new();
        let able = ground.peers_of(row);
        for server in started.iter().filter(|one| able.contains(&one.peer)) {
            match h2load.load(row, server, &ground, WARM_UP).await {
                Ok(_) => contenders.push(server),
                Err(why) => say(&format!("{} is left out: {why:#}", server.peer)),
            }
        }
        let mut measured = Measured::new(row);
        for round in 1..=options.rounds {
            say(&format!("{row}, round {round}"));
            let mut left = Vec::new();
            for server in contenders {
                match try_measure(&h2load, row, server, &ground, options.each, &say).await {
                    Ok(figure) => {
                        measured.push(server.peer, figure);
                        left.push(server);
                    }
                    Err(why) if server.peer == Peer::Edge => return Err(why),
                    Err(why) => {
                        say(&format!("{} is left out: {why:#}", server.peer));
                        measured.forget(server.peer);
                    }
                }
            }
            contenders = left;
        }
        say(measured.to_string().trim_end());
        figures.push(measured);
    }
    for server in started {
        server.stop().await;
    }
    servers.shut_down().await;
    Ok(figures)
}

/// Measures a server; again, when a round went wrong: a cache that went to the
/// origin says nothing of hits.
async fn try_measure(
    h2load: &h2load::H2load,
    row: Row,
    server: &Server,
    ground: &Ground<'_>,
    each: Duration,
    say: &impl Fn(&str),
) -> anyhow::Result<Figure> {
    for _ in 1..MAX_TRIES {
        match h2load.measure(row, server, ground, each).await {
            Ok(figure) => return Ok(figure),
            Err(why) => say(&format!("again: {why:#}")),
        }
    }
    h2load.measure(row, server, ground, each).await
}
