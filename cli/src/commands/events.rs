//! `souk events`: what consumers have given up, and having it delivered again.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use svc_kit::clock::Clock;
use svc_kit::dead_letter::{self, DeadLetter, Filter};
use svc_kit::nats::{Nats, NatsConfig};

use crate::checkout;
use crate::events::{Moment, json_line, shown, table};
use crate::stack::Servers;

/// How many are listed when nobody says.
const LIST_LIMIT: usize = 100;
/// How many are replayed by one command, at most.
const REPLAY_LIMIT: usize = 10_000;

/// Lists, shows and replays events that a consumer has given up.
///
/// Exit code of `replay`: 0 when all are delivered again, 1 when one is not,
/// 2 when NATS is away.
#[derive(Debug, Args)]
pub struct Events {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists them, oldest first.
    List(List),
    /// Shows one, with its headers and its payload; personal data and secrets
    /// are left out.
    Show(Show),
    /// Has them delivered again, each to the consumer that gave it up. What a
    /// consumer has handled before it does not handle again.
    Replay(Replay),
}

/// Where NATS is.
#[derive(Debug, Args)]
struct At {
    /// The address of NATS; without it, that of the local stack.
    #[arg(
        id = "nats_url",
        long = "nats-url",
        env = "SOUK_NATS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    url: Option<svc_kit::secret::Secret>,

    /// The folder of the local stack [default: .souk/up in the checkout].
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Which of them.
#[derive(Debug, Args)]
struct Which {
    /// Published there: souk.order.placed.v1.
    #[arg(long)]
    subject: Option<String>,

    /// Given up by this consumer: catalog-order-placed.
    #[arg(long)]
    consumer: Option<String>,

    /// About this order, product or account.
    #[arg(long, value_name = "ID")]
    aggregate: Option<String>,

    /// Given up at this time or later: 2026-11-24T09:30:00Z, or 15m for a
    /// quarter of an hour ago.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Given up before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    at: At,

    #[command(flatten)]
    which: Which,

    /// So many at most.
    #[arg(long, default_value_t = LIST_LIMIT)]
    limit: usize,

    /// A JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    at: At,

    /// Its sequence, as `list` says it.
    sequence: u64,
}

#[derive(Debug, Args)]
struct Replay {
    #[command(flatten)]
    at: At,

    #[command(flatten)]
    which: Which,

    /// So many at most, the oldest first.
    #[arg(long, default_value_t = REPLAY_LIMIT, value_parser = limit)]
    limit: usize,

    /// All there are; needed where nothing else says which.
    #[arg(long)]
    all: bool,

    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Events {
    /// Does what was asked for.
    ///
    /// # Errors
    /// When NATS is away or the question makes no sense.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List(list) => list.run().await,
            Command::Show(show) => show.run().await,
            Command::Replay(replay) => replay.run().await,
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let nats = self.at.connect().await?;
        let letters = dead_letter::list(&nats, &self.which.filter(), self.limit).await?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            for dead in &letters {
                writeln!(out, "{}", json_line(dead))?;
            }
        } else if letters.is_empty() {
            writeln!(out, "none")?;
        } else {
            write!(out, "{}", table(&letters))?;
        }
        out.flush()?;
        if letters.len() == self.limit {
            eprintln!("{} shown; --limit shows more, if there are", self.limit);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Show {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let nats = self.at.connect().await?;
        let Some(dead) = dead_letter::find(&nats, self.sequence).await? else {
            eprintln!("there is no dead letter {}", self.sequence);
            return Ok(ExitCode::FAILURE);
        };
        let mut all = json_line(&dead);
        all["payload_bytes"] = dead.payload.len().into();
        all["payload"] = shown(&dead.event_type, &dead.payload);
        writeln!(io::stdout(), "{all:#}")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Replay {
    async fn run(self) -> anyhow::Result<ExitCode> {
        if !self.all && !self.which.says_something() {
            bail!("say which (--subject, --consumer, --aggregate, --since, --until), or --all");
        }
        let nats = self.at.connect().await?;
        let letters = dead_letter::list(&nats, &self.which.filter(), self.limit).await?;
        if letters.is_empty() {
            println!("none");
            return Ok(ExitCode::SUCCESS);
        }
        if self.dry_run {
            print!("{}", table(&letters));
            println!("{} would be replayed; nothing was changed", letters.len());
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes && !agreed(&letters)? {
            println!("nothing was changed");
            return Ok(ExitCode::SUCCESS);
        }
        let mut failed = 0;
        for dead in &letters {
            let whose = format!("{} {} for {}", dead.sequence, dead.subject, dead.consumer);
            match dead_letter::replay(&nats, dead).await {
                Ok(()) => println!("replayed {whose}"),
                Err(why) => {
                    failed += 1;
                    println!("FAILED {whose}: {why:#}");
                }
            }
        }
        println!("{} replayed, {failed} failed", letters.len() - failed);
        Ok(if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Asks whether to go on.
fn agreed(letters: &[DeadLetter]) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody is there to ask; say --yes, or look first with --dry-run");
    }
    print!("{}", table(letters));
    print!("replay {}? [y/N] ", letters.len());
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

impl Which {
    fn says_something(&self) -> bool {
        self.subject.is_some()
            || self.consumer.is_some()
            || self.aggregate.is_some()
            || self.since.is_some()
            || self.until.is_some()
    }

    fn filter(&self) -> Filter {
        let clock = Clock::system();
        Filter {
            subject: self.subject.clone(),
            consumer: self.consumer.clone(),
            aggregate_id: self.aggregate.clone(),
            since: self.since.map(|moment| moment.time(&clock)),
            until: self.until.map(|moment| moment.time(&clock)),
        }
    }
}

impl At {
    async fn connect(&self) -> anyhow::Result<Nats> {
        let (url, whose) = match &self.url {
            Some(url) => (url.clone(), "that address".to_owned()),
            None => self.local()?,
        };
        let nats = Nats::connect(&NatsConfig { url }).await?;
        if !nats.is_connected() {
            bail!("no NATS answers at {whose}");
        }
        Ok(nats)
    }

    /// Where the local stack's is.
    fn local(&self) -> anyhow::Result<(svc_kit::secret::Secret, String)> {
        let dir = checkout::place(self.dir.as_deref(), "up");
        let file = dir.join(Servers::NATS_URL_FILE);
        let url = fs::read_to_string(&file).with_context(|| {
            format!(
                "no local stack in {} (`make up` starts one), and --nats-url is not given",
                dir.display()
            )
        })?;
        Ok((url.into(), format!("the local stack of {}", dir.display())))
    }
}

fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit) if (1..=REPLAY_LIMIT).contains(&limit) => Ok(limit),
        _ => Err(format!("from 1 to {REPLAY_LIMIT}")),
    }
}
