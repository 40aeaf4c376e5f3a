//! A Stripe that a test has for itself: localstripe, a real program, perhaps
//! behind a line that loses answers.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use svc_payment::provider::stripe::{CaptureMode, StripeConfig};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::harness::START;

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stripe_server.py");

/// What the server takes for a secret key.
const KEY: &str = "sk_test_of_nobody";

/// A Python that has localstripe; without one the test says that it was skipped.
fn python() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told where the servers are by the environment"
    )]
    let python = std::env::var("SOUK_TEST_LOCALSTRIPE").ok();
    if python.is_none() {
        eprintln!("skipped: SOUK_TEST_LOCALSTRIPE names no Python with localstripe");
    }
    python
}

/// Stops when dropped.
pub(crate) struct StripeServer {
    port: u16,
    http: reqwest::Client,
    _process: Child,
}

impl StripeServer {
    /// None where there is no localstripe.
    pub(crate) async fn start() -> Option<Self> {
        let mut process = Command::new(python()?)
            .arg(SCRIPT)
            .arg("0")
            .arg(START.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        Some(Self {
            port: line.strip_prefix("listening ").unwrap().parse().unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _process: process,
        })
    }

    pub(crate) fn config(&self, capture: CaptureMode) -> StripeConfig {
        config(self.port, capture)
    }

    /// All objects of a kind, as the server has them.
    pub(crate) async fn list(&self, kind: &str) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/v1/{kind}?limit=1000", self.port);
        let answer = self.http.get(url).bearer_auth(KEY).send().await.unwrap();
        let mut list: Value = answer.json().await.unwrap();
        list["data"].take().as_array().unwrap().clone()
    }

    /// Makes something, and gives back what was made.
    pub(crate) async fn make(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("http://127.0.0.1:{}/v1/{path}", self.port);
        let request = self.http.post(url).bearer_auth(KEY).form(form);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap()
    }

    /// Has it tell this address of what happens, signed with this secret.
    pub(crate) async fn tell(&self, address: &str, secret: &str) {
        let url = format!("http://127.0.0.1:{}/_config/webhooks/souk", self.port);
        let form = [("url", address), ("secret", secret)];
        let answer = self.http.post(url).form(&form).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// A line to it that can lose answers.
    pub(crate) async fn line(&self) -> Line {
        Line::to(self.port).await
    }
}

fn config(port: u16, capture: CaptureMode) -> StripeConfig {
    StripeConfig {
        url: format!("http://127.0.0.1:{port}"),
        secret_key: Some(KEY.to_owned().into()),
        webhook_secret: None,
        capture,
    }
}

/// A line on which calls arrive, and answers do not always.
pub(crate) struct Line {
    port: u16,
    passes: Arc<AtomicU32>,
    lost: Arc<AtomicU32>,
}

/// So many answers as never come.
const ALL: u32 = u32::MAX;

impl Line {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Self {
            port: listener.local_addr().unwrap().port(),
            passes: Arc::new(AtomicU32::new(ALL)),
            lost: Arc::default(),
        };
        let (passes, lost) = (line.passes.clone(), line.lost.clone());
        tokio::spawn(async move {
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(carry(caller, server, passes.clone(), lost.clone()));
            }
        });
        line
    }

    pub(crate) fn config(&self, capture: CaptureMode) -> StripeConfig {
        config(self.port, capture)
    }

    /// From now on answers get lost, or do not any more.
    pub(crate) fn cut(&self, cut: bool) {
        self.passes
            .store(if cut { 0 } else { ALL }, Ordering::SeqCst);
    }

    /// After so many more, answers get lost.
    pub(crate) fn cut_after(&self, answers: u32) {
        self.passes.store(answers, Ordering::SeqCst);
    }

    /// How many answers got lost.
    pub(crate) fn lost(&self) -> u32 {
        self.lost.load(Ordering::SeqCst)
    }
}

/// Carries calls there and answers back, until one gets lost. Answers are small:
/// each is read in one piece.
async fn carry(caller: TcpStream, server: TcpStream, passes: Arc<AtomicU32>, lost: Arc<AtomicU32>) {
    let (mut calls, mut back) = caller.into_split();
    let (mut answers, mut there) = server.into_split();
    let there = tokio::spawn(async move { tokio::io::copy(&mut calls, &mut there).await });
    let mut part = vec![0; 64 * 1024];
    while let Ok(read) = answers.read(&mut part).await {
        if read == 0 {
            break;
        }
        let pass = |left: u32| match left {
            ALL => Some(ALL),
            left => left.checked_sub(1),
        };
        let passed = passes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, pass);
        if passed.is_err() {
            lost.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if back.write_all(&part[..read]).await.is_err() {
            break;
        }
    }
    there.abort();
}
