//! A NATS server that a test may stop, and start again with what it kept.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A NATS of a test's own. It ends with the test.
#[derive(Debug)]
pub struct NatsServer {
    process: Child,
    address: SocketAddr,
}

impl NatsServer {
    /// Starts it at this address; it keeps its streams in this folder.
    ///
    /// # Panics
    /// When the program is not there.
    pub fn start(address: SocketAddr, folder: &Path) -> Self {
        let program = program();
        let process = Command::new(&program)
            .args(["--addr", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .args(["--jetstream", "--store_dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program} does not start ({error}): set SOUK_TEST_NATS_SERVER_BIN")
            });
        Self { process, address }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Has it stand still: it hears what is said and answers nothing.
    ///
    /// # Panics
    /// When it is gone.
    pub fn freeze(&self) {
        let id = self.process.id().to_string();
        let frozen = Command::new("kill").args(["-STOP", &id]).status();
        assert!(frozen.is_ok_and(|status| status.success()), "NATS is gone");
    }

    /// Ends it without a word to anybody.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for NatsServer {
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
