//! `souk up`: the whole shop on this machine, until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::restarts::Restarts;
use super::seed;
use super::signals::Signals;
use crate::checkout;
use crate::stack::{MeilisearchAt, Ports, Progress, SearchEngine, Stack, StackOptions, Staff};

/// Starts the whole shop on this machine and runs it until Ctrl-C.
///
/// Real servers, private to the folder: a second start finds the data again.
/// An empty shop is filled with the products that come with Souk.
#[derive(Debug, Args)]
pub struct Up {
    /// Where data, logs and certificates are kept [default: .souk/up in the
    /// checkout].
    #[arg(long)]
    dir: Option<PathBuf>,

    /// The folder that mail is written to, unless an SMTP server is given
    /// [default: .souk/mail in the checkout].
    #[arg(long)]
    mail_dir: Option<PathBuf>,

    /// The edge's port with TLS.
    #[arg(long, default_value_t = Ports::HTTPS, value_parser = clap::value_parser!(u16).range(1..))]
    https_port: u16,

    /// The edge's port without TLS.
    #[arg(long, default_value_t = Ports::HTTP, value_parser = clap::value_parser!(u16).range(1..))]
    http_port: u16,

    /// The first of some thirty ports for the servers and services.
    #[arg(
        long,
        default_value_t = Ports::BASE,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(Ports::HIGHEST_BASE))
    )]
    port_base: u16,

    /// Leave an empty shop empty.
    #[arg(long)]
    no_seed: bool,

    /// An SMTP server for mail, as smtp://host:port.
    #[arg(long, env = "SOUK_SMTP_URL")]
    smtp: Option<String>,

    /// A Meilisearch that runs already; without it, one on the PATH is
    /// started, and without that, Postgres answers searches.
    #[arg(long, env = "SOUK_MEILI_URL")]
    meili_url: Option<String>,

    /// Its key.
    #[arg(long, env = "SOUK_MEILI_KEY", hide_env_values = true)]
    meili_key: Option<String>,
}

impl Up {
    /// Starts, reports, waits, stops.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let start = Stack::start(self.options());
        let stack = tokio::select! {
            stack = start => Arc::new(stack?),
            _ = signals.next() => {
                println!("stopped before it was up");
                return Ok(ExitCode::SUCCESS);
            }
        };
        let filled = async {
            if self.no_seed {
                Ok(())
            } else {
                seed::fill_if_empty(&stack).await
            }
        };
        tokio::select! {
            filled = filled => filled?,
            _ = signals.next() => {
                println!("stopping");
                stack.shut_down().await;
                return Ok(ExitCode::SUCCESS);
            }
        }
        self.announce(&stack);

        let mut restarts = Restarts::default();
        tokio::select! {
            never = restarts.keep_up(&stack) => match never {},
            _ = signals.next() => {}
        }
        println!("stopping; Ctrl-C again ends everything at once");
        tokio::select! {
            () = stack.shut_down() => {}
            _ = signals.next() => stack.end_all(),
        }
        println!("all stopped");
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self) -> StackOptions {
        StackOptions {
            dir: checkout::place(self.dir.as_deref(), "up"),
            ports: Ports::Fixed {
                https: self.https_port,
                http: self.http_port,
                base: self.port_base,
            },
            keep_data: true,
            durable: true,
            smtp: self.smtp.clone(),
            mail_dir: Some(checkout::place(self.mail_dir.as_deref(), "mail")),
            meilisearch: self.meili_url.clone().map(|url| MeilisearchAt {
                url,
                key: self.meili_key.clone(),
            }),
            start_meilisearch: true,
            binaries: None,
            extra_env: Vec::new(),
            progress: Progress::to(|line| println!("  {line}")),
        }
    }

    fn announce(&self, stack: &Stack) {
        match stack.search_engine() {
            SearchEngine::Postgres => {
                println!("search: Postgres (a meilisearch on the PATH would be used)");
            }
            meilisearch @ SearchEngine::Meilisearch(_) => println!("search: {meilisearch}"),
        }
        println!(
            "staff: {}, password in {}; a token: bin/souk token",
            stack.staff().email,
            shown(&stack.dir().join(Staff::FILE))
        );
        match &self.smtp {
            Some(url) => println!("mail: {url}"),
            None => println!("mail: {}", shown(stack.mail_dir())),
        }
        println!("logs: {}", shown(&stack.dir().join("logs")));
        println!("certificate: {}", shown(stack.ca_file()));
        println!("plain http: {}", stack.edge_http_url());
        println!("souk is up: {}", stack.edge_url());
    }
}

/// A path for people: short where they are.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}
