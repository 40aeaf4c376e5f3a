//! A Redis of a test's own, to be killed, and to be held.

use std::{
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use fred::{
    clients::Client,
    interfaces::ClientLike as _,
    types::{Builder, InfoKind, config::Config},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{free_address, until};

/// A Redis server that forgets everything when it ends.
pub(crate) struct Redis {
    port: u16,
    process: Mutex<Child>,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let port = free_address().port();
        let redis = Self {
            port,
            process: Mutex::new(spawn(port)),
        };
        redis.answers().await;
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it without a word.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again, empty.
    pub(crate) async fn start_again(&self) {
        *self.process.lock().unwrap() = spawn(self.port);
        self.answers().await;
    }

    /// It takes connections and requests, and does nothing.
    pub(crate) fn hold(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn let_go(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// How often its script was called.
    pub(crate) async fn calls(&self) -> u64 {
        let client = self.client().await;
        let info: String = client.info(Some(InfoKind::CommandStats)).await.unwrap();
        let line = info.lines().find(|line| line.contains("cmdstat_evalsha:"));
        line.map_or(0, |line| {
            let (_, rest) = line.split_once("calls=").unwrap();
            rest.split(',').next().unwrap().parse().unwrap()
        })
    }

    pub(crate) async fn client(&self) -> Client {
        let config = Config::from_url(&self.url()).unwrap();
        let client = Builder::from_config(config).build().unwrap();
        client.init().await.unwrap();
        client
    }

    fn signal(&self, signal: Signal) {
        let pid = self.process.lock().unwrap().id();
        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
    }

    async fn answers(&self) {
        until("Redis answers", async || {
            let address = ("127.0.0.1", self.port);
            tokio::net::TcpStream::connect(address).await.is_ok()
        })
        .await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may be gone already.
        let process = self.process.get_mut().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn spawn(port: u16) -> Child {
    let port = port.to_string();
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port])
        .args(["--save", "", "--appendonly", "no"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}
