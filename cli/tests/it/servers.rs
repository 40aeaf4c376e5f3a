//! Servers as the end-to-end tests have them: killed, stopped, started again.

use std::net::TcpListener;

use souk::stack::{Ports, Process, Progress, Servers, ServersOptions};
use tempfile::TempDir;

use crate::processes::of_folder;

fn options(dir: &TempDir) -> ServersOptions {
    ServersOptions {
        dir: dir.path().to_owned(),
        ports: Ports::Free,
        keep_data: true,
        durable: false,
        nats_password: true,
        progress: Progress::silent(),
    }
}

#[tokio::test]
async fn servers_come_back_after_a_crash_and_find_their_data() {
    let dir = TempDir::new().unwrap();
    let servers = Servers::start(options(&dir)).await.unwrap();
    servers.ensure_databases(&["kept"]).await.unwrap();

    for process in [Process::Postgres, Process::Redis, Process::Nats] {
        servers.kill(process).await.unwrap();
        assert_eq!(servers.pid(process), None);
        servers.start_again(process).await.unwrap();
        assert!(servers.pid(process).is_some());
    }
    // It is there already: nothing to make, nothing to fail.
    servers.ensure_databases(&["kept"]).await.unwrap();

    servers.shut_down().await;
    assert_eq!(of_folder(&dir.path().canonicalize().unwrap()), []);
}

#[tokio::test]
async fn dropped_servers_are_gone() {
    let dir = TempDir::new().unwrap();
    let servers = Servers::start(options(&dir)).await.unwrap();
    assert!(!of_folder(&dir.path().canonicalize().unwrap()).is_empty());

    drop(servers);

    let left = of_folder(&dir.path().canonicalize().unwrap());
    // Children of PostgreSQL may outlive their parent by a moment.
    crate::processes::wait_until("all are gone", || {
        of_folder(&dir.path().canonicalize().unwrap()).is_empty()
    });
    assert!(
        left.iter().all(|(_, line)| line.starts_with("postgres:")),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_taken_port_is_named_in_one_line() {
    let dir = TempDir::new().unwrap();
    // Outside of what stacks on free ports and outgoing connections use.
    let (taken, base) = (19_000..20_000)
        .step_by(10)
        .find_map(|base| Some((TcpListener::bind(("127.0.0.1", base)).ok()?, base)))
        .unwrap();
    let fixed = ServersOptions {
        ports: Ports::Fixed {
            https: 0,
            http: 0,
            base,
        },
        ..options(&dir)
    };

    let error = Servers::start(fixed).await.unwrap_err();

    assert_eq!(
        format!("{error:#}"),
        format!("port {base} is in use, and PostgreSQL needs it")
    );
    drop(taken);
}
