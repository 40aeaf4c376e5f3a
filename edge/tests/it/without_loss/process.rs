//! An edge as a process of its own.

use std::{
    fs::File,
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use http::Request;
use http_body_util::Full;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::{PATIENCE, arguments, free_address, send, until};

pub(crate) struct Edge {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    admin: SocketAddr,
    arguments: Vec<String>,
    child: Child,
    pid: Pid,
    log: PathBuf,
    _folder: TempDir,
}

impl Edge {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start(shop_url: &str, flags: &[String]) -> Self {
        Self::start_without(&[], shop_url, flags).await
    }

    /// Without some of the flags that it has otherwise.
    pub(crate) async fn start_without(unset: &[&str], shop_url: &str, flags: &[String]) -> Self {
        let (http, https, admin) = (free_address(), free_address(), free_address());
        let listen = https.to_string();
        let mut all = vec!["--https-listen", &listen, "--rate-read-per-minute", "0"];
        all.extend(flags.iter().map(String::as_str));
        let mut arguments = arguments(http, admin, shop_url, &all);
        for flag in unset {
            let at = arguments.iter().position(|argument| argument == flag);
            arguments.drain(at.unwrap()..at.unwrap() + 2);
        }
        let edge = Self::launch(http, https, admin, arguments);
        edge.ready().await;
        edge
    }

    /// Another process with the same flags, but for one.
    pub(crate) fn again(&self, other: Option<(&str, &str)>) -> Self {
        let mut arguments = self.arguments.clone();
        if let Some((flag, value)) = other {
            match arguments.iter().position(|argument| argument == flag) {
                Some(at) => value.clone_into(&mut arguments[at + 1]),
                None => arguments.extend([flag.to_owned(), value.to_owned()]),
            }
        }
        Self::launch(self.http, self.https, self.admin, arguments)
    }

    fn launch(
        http: SocketAddr,
        https: SocketAddr,
        admin: SocketAddr,
        arguments: Vec<String>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_edge"))
            .args(&arguments[1..])
            .stdout(Stdio::from(File::create(&log).unwrap()))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
        Self {
            http,
            https,
            admin,
            arguments,
            child,
            pid,
            log,
            _folder: folder,
        }
    }

    /// Waits until this very process listens.
    pub(crate) async fn ready(&self) {
        until("the process listens", async || {
            self.log().contains("\"listening\"")
        })
        .await;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    pub(crate) fn is_running(&self) -> bool {
        kill(self.pid, None).is_ok()
    }

    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let waiting = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        waiting.expect("it ends").unwrap()
    }

    /// All it has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) async fn metrics(&self) -> String {
        self.admin("/metrics").await
    }

    pub(crate) async fn admin(&self, path: &str) -> String {
        let request = Request::get(format!("http://{}{path}", self.admin));
        let answer = send(request.body(Full::default()).unwrap()).await.unwrap();
        String::from_utf8(answer.body.into()).unwrap()
    }

    pub(crate) async fn readiness(&self) -> Option<u16> {
        let request = Request::get(format!("http://{}/readyz", self.admin));
        let answer = send(request.body(Full::default()).unwrap()).await?;
        Some(answer.status)
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::get(format!("http://{}{path}", self.http));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.body(Full::default()).unwrap())
            .await
            .unwrap()
            .status
    }

    /// Whether scripts of an origin may read its answers.
    pub(crate) async fn admits(&self, origin: &str) -> bool {
        let request = Request::get(format!("http://{}/.well-known/jwks.json", self.http))
            .header("origin", origin)
            .body(Full::default())
            .unwrap();
        let answer = send(request).await.unwrap();
        answer.header("access-control-allow-origin") == origin
    }
}
