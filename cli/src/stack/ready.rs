//! When a process counts as up: it answers as it should, in time, and has not
//! died meanwhile.

use std::io;
use std::time::Duration;

use anyhow::bail;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::supervisor::Running;
use super::{Launch, Supervisor, logs};

/// How long a process may take to answer after its start. Long, because a
/// machine that is building something at the same time is slow.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// The question that a process answers when it is ready.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    /// A command that succeeds.
    Command(Box<Launch>),
    /// A Redis that answers PING.
    Redis { port: u16, password: String },
    /// A NATS server that introduces itself.
    Nats { port: u16 },
    /// An HTTP address that answers 200.
    Http(String),
}

impl Ready {
    /// Asks until the answer is yes.
    pub(crate) async fn wait(
        &self,
        name: &str,
        running: &Running,
        launch: &Launch,
        supervisor: &Supervisor,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = running.exit_status() {
                bail!("{name} ended while starting ({status}){}", ending(launch));
            }
            let why = match timeout(ANSWER_WITHIN, self.ask(supervisor)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => why.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            if Instant::now() > until {
                bail!(
                    "{name} is not ready after {} s ({why}){}",
                    DEADLINE.as_secs(),
                    ending(launch)
                );
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask(&self, supervisor: &Supervisor) -> anyhow::Result<()> {
        match self {
            Self::Command(launch) => {
                let status = supervisor.run(Launch::clone(launch)).await?;
                if !status.success() {
                    bail!("it does not accept connections");
                }
            }
            Self::Redis { port, password } => {
                let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", *port)).await?);
                let question = format!("AUTH {password}\r\nPING\r\n");
                stream.write_all(question.as_bytes()).await?;
                expect_line(&mut stream, "+OK").await?;
                expect_line(&mut stream, "+PONG").await?;
            }
            Self::Nats { port } => {
                let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", *port)).await?);
                expect_line(&mut stream, "INFO ").await?;
            }
            Self::Http(url) => {
                let status = reqwest::get(url).await?.status();
                if !status.is_success() {
                    bail!("{url} says {status}");
                }
            }
        }
        Ok(())
    }
}

async fn expect_line(stream: &mut BufReader<TcpStream>, start: &str) -> io::Result<()> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    if line.starts_with(start) {
        return Ok(());
    }
    Err(io::Error::other(line.trim().to_owned()))
}

/// The end of the log and where the rest is.
pub(crate) fn ending(launch: &Launch) -> String {
    let Some(log) = launch.log() else {
        return String::new();
    };
    let tail = logs::tail(log).replace('\n', "\n    ");
    format!("; log: {}\n    {tail}", log.display())
}
