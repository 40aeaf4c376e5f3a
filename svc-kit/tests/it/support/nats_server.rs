//! A NATS server that a test may stop.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A NATS of this test's own.
pub(crate) struct Server {
    process: Child,
}

impl Server {
    pub(crate) fn start(port: u16, folder: &Path) -> Self {
        let program = program();
        let process = Command::new(&program)
            .args([
                "--addr",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--jetstream",
                "--store_dir",
            ])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program} does not start ({error}): set SOUK_TEST_NATS_SERVER_BIN")
            });
        Self { process }
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told where programs are by the environment"
)]
fn program() -> String {
    std::env::var("SOUK_TEST_NATS_SERVER_BIN").unwrap_or_else(|_| "nats-server".to_owned())
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
