//! What operators do to a running edge, as a process of its own, while callers
//! keep asking: not one request may fail.

mod load;
mod process;

use std::path::Path;

use nix::sys::signal::Signal;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use self::{load::Load, process::Edge};
use crate::support::{services::Shop, until};

/// Requests of each kind before and after what is done.
const ENOUGH: u64 = 300;

/// A certificate and its key, as Kubernetes mounts them: behind a link that is
/// swapped.
struct Mounted {
    folder: TempDir,
    current: CertificateDer<'static>,
    version: u32,
}

impl Mounted {
    fn new() -> Self {
        let mut mounted = Self {
            folder: TempDir::new().unwrap(),
            current: CertificateDer::from(Vec::new()),
            version: 0,
        };
        mounted.swap();
        mounted
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn flags(&self) -> [String; 4] {
        let at = |name| self.path().join("data").join(name).display().to_string();
        [
            "--tls-cert".to_owned(),
            at("tls.crt"),
            "--tls-key".to_owned(),
            at("tls.key"),
        ]
    }

    /// Puts a new certificate in place of the old.
    fn swap(&mut self) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        self.mount(&made.cert.pem(), &made.signing_key.serialize_pem());
        self.current = made.cert.der().clone();
    }

    /// Puts a certificate there with a key that is not its own.
    fn swap_for_a_broken_one(&mut self) {
        let made = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        self.mount(&made().cert.pem(), &made().signing_key.serialize_pem());
    }

    fn mount(&mut self, chain: &str, key: &str) {
        self.version += 1;
        let version = self.path().join(self.version.to_string());
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("tls.crt"), chain).unwrap();
        std::fs::write(version.join("tls.key"), key).unwrap();
        let link = self.path().join("fresh");
        std::os::unix::fs::symlink(&version, &link).unwrap();
        std::fs::rename(link, self.path().join("data")).unwrap();
    }
}

#[tokio::test]
async fn a_certificate_is_swapped_without_a_failed_request() {
    let shop = Shop::start().await;
    let mut mounted = Mounted::new();
    let edge = Edge::start(&shop.url(), &mounted.flags()).await;
    let load = Load::start(&[&edge]);
    load.more(ENOUGH).await;
    assert_eq!(load::shown(edge.https).await, mounted.current);

    mounted.swap_for_a_broken_one();
    let refused = "edge_certificate_reads_total{certificate=\"localhost\",outcome=\"refused\"} 1";
    until("the broken one is refused", async || {
        edge.metrics().await.contains(refused)
    })
    .await;
    assert!(edge.log().contains("do not belong together"));
    assert_eq!(load::shown(edge.https).await, mounted.current);

    mounted.swap();
    until("the new one is shown", async || {
        load::shown(edge.https).await == mounted.current
    })
    .await;
    load.more(ENOUGH).await;
    load.stop_without_a_failure("certificate swap").await;
    let expires = "edge_certificate_expires_seconds{certificate=\"localhost\"} ";
    assert!(edge.metrics().await.contains(expires));
}

#[tokio::test]
async fn a_configuration_is_reloaded_or_refused_without_a_failed_request() {
    let shop = Shop::start().await;
    let mounted = Mounted::new();
    let file = mounted.path().join("edge.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("allowed-origins = ['https://old.example']");
    let mut flags = mounted.flags().to_vec();
    flags.extend(["--config".to_owned(), file.display().to_string()]);
    let edge = Edge::start(&shop.url(), &flags).await;
    let load = Load::start(&[&edge]);
    load.more(ENOUGH).await;
    assert!(edge.admits("https://old.example").await);

    write("allowed-origins = ['https://new.example']\ndrain-seconds = 7");
    edge.signal(Signal::SIGHUP);
    until("the new origin is admitted", async || {
        edge.admits("https://new.example").await
    })
    .await;
    assert!(!edge.admits("https://old.example").await);
    assert!(edge.log().contains("wins over the file"), "drain-seconds");
    assert!(!edge.log().contains("needs_restart"));

    write("allowed-origins = ['https://third.example', 'no origin']\nthreads = 1");
    edge.signal(Signal::SIGHUP);
    let refused = "edge_config_reloads_total{outcome=\"refused\"} 1";
    until("the wrong one is refused", async || {
        edge.metrics().await.contains(refused)
    })
    .await;
    assert!(edge.log().contains("is not an origin"));
    assert!(edge.admits("https://new.example").await);
    assert!(!edge.admits("https://third.example").await);

    write("allowed-origins = ['https://third.example']\nmax-connections = 77");
    edge.signal(Signal::SIGHUP);
    until("the mended one is applied", async || {
        edge.admits("https://third.example").await
    })
    .await;
    until("what it cannot change is told", async || {
        edge.log().contains("needs_restart") && edge.log().contains("max-connections")
    })
    .await;
    load.more(ENOUGH).await;
    load.stop_without_a_failure("reload").await;
}

#[tokio::test]
async fn a_service_moves_without_a_failed_request_and_limits_change() {
    let (old, new) = (Shop::start().await, Shop::start().await);
    let mounted = Mounted::new();
    let file = mounted.path().join("edge.toml");
    let write = |url: &str, limit: u32| {
        let text = format!(
            "identity-url = ['{url}']\nrate-read-per-minute = {limit}\nrate-burst-seconds = 1"
        );
        std::fs::write(&file, text).unwrap();
    };
    write(&old.url(), 0);
    let mut flags = mounted.flags().to_vec();
    flags.extend(["--config".to_owned(), file.display().to_string()]);
    let unset = ["--identity-url", "--rate-read-per-minute"];
    let edge = Edge::start_without(&unset, &old.url(), &flags).await;
    let load = Load::start(&[&edge]);
    load.more(ENOUGH).await;

    write(&new.url(), 0);
    edge.signal(Signal::SIGHUP);
    let address = new.url().replace("http://", "");
    until("the service is elsewhere", async || {
        edge.admin("/upstreams").await.contains(&address)
    })
    .await;
    load.more(ENOUGH).await;
    old.crash();
    load.more(ENOUGH).await;
    load.stop_without_a_failure("move").await;

    write(&new.url(), 60);
    edge.signal(Signal::SIGHUP);
    until("the limit holds", async || {
        edge.get("/.well-known/jwks.json", &[]).await == 429
    })
    .await;
    write(&new.url(), 0);
    edge.signal(Signal::SIGHUP);
    until("the limit is lifted", async || {
        let mut passed = true;
        for _ in 0..30 {
            passed &= edge.get("/.well-known/jwks.json", &[]).await == 200;
        }
        passed
    })
    .await;
    assert!(!edge.log().contains("needs_restart"));
}

#[tokio::test]
async fn a_new_process_takes_over_without_a_failed_request() {
    let shop = Shop::start().await;
    let mounted = Mounted::new();
    let mut flags = mounted.flags().to_vec();
    let socket = mounted.path().join("upgrade.sock").display().to_string();
    flags.extend(["--upgrade-socket".to_owned(), socket]);
    let old = Edge::start(&shop.url(), &flags).await;
    let load = Load::start(&[&old]);
    load.more(ENOUGH).await;

    // One that cannot start changes nothing, whether it is found before or
    // after it was given the sockets; nor does one that does not hear whom not
    // to let in.
    let taken = shop.address.to_string();
    for wrong in [
        ("--allowed-origins", "no origin"),
        ("--admin-listen", &taken),
        ("--nats-url", "nats://127.0.0.1:1"),
    ] {
        let mut wrong = old.again(Some(wrong));
        assert!(!wrong.wait().await.success());
    }
    until("the old one hears of it", async || {
        old.log().contains("no successor came up")
    })
    .await;
    load.more(ENOUGH).await;
    assert!(old.is_running());

    let mut before = old;
    for _ in 0..2 {
        let next = before.again(None);
        next.ready().await;
        assert!(before.wait().await.success());
        assert!(before.log().contains("a successor has come up"));
        load.more(ENOUGH).await;
        assert!(next.is_running());
        before = next;
    }
    load.stop_without_a_failure("two upgrades").await;
    before.signal(Signal::SIGTERM);
    assert!(before.wait().await.success());
}

#[tokio::test]
async fn one_of_two_is_stopped_without_a_failed_request() {
    let shop = Shop::start().await;
    let mounted = Mounted::new();
    let mut first = Edge::start(&shop.url(), &mounted.flags()).await;
    let second = Edge::start(&shop.url(), &mounted.flags()).await;
    let load = Load::start(&[&first, &second]);
    load.more(ENOUGH).await;
    first.signal(Signal::SIGTERM);
    assert!(first.wait().await.success());
    assert!(!first.log().contains("not all was done in time"));
    load.more(ENOUGH).await;
    load.stop_without_a_failure("stop of one of two").await;
    assert!(second.is_running());
}

#[tokio::test]
async fn before_it_stops_it_says_so_and_goes_on_for_a_while() {
    let shop = Shop::start().await;
    let mounted = Mounted::new();
    let mut flags = mounted.flags().to_vec();
    flags.extend(["--unready-seconds".to_owned(), "2".to_owned()]);
    let mut edge = Edge::start(&shop.url(), &flags).await;
    edge.signal(Signal::SIGTERM);
    until("it is not ready", async || {
        edge.readiness().await == Some(503)
    })
    .await;
    load::shown(edge.https).await; // panics unless a new connection is taken
    assert!(edge.wait().await.success());
}

#[tokio::test]
async fn the_log_tells_no_secrets_and_one_line_for_many() {
    let shop = Shop::start().await;
    let mounted = Mounted::new();
    let mut flags = mounted.flags().to_vec();
    flags.extend(["--access-log-sample".to_owned(), "200=10".to_owned()]);
    let mut edge = Edge::start(&shop.url(), &flags).await;
    for _ in 0..20 {
        assert_eq!(
            edge.get("/.well-known/jwks.json?token=secret", &[]).await,
            200
        );
    }
    let secrets = [("authorization", "Bearer secret"), ("cookie", "a=secret")];
    assert_eq!(edge.get("/nothing?token=secret", &secrets).await, 404);
    edge.signal(Signal::SIGTERM);
    assert!(edge.wait().await.success());
    let log = edge.log();
    assert!(!log.contains("secret"), "{log}");
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["target"] == "edge::access")
        .collect();
    let with = |status: u16| lines.iter().filter(move |line| line["status"] == status);
    assert_eq!(with(200).count(), 2, "{lines:?}");
    assert!(with(200).all(|line| line["stands_for"] == 10 && line["client"] == "127.0.0.0"));
    assert_eq!(with(404).count(), 1);
}
