//! Asks instances whether they are well, by the health protocol of gRPC
//! (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>), over
//! connections of its own, so that no queue of requests delays the answer.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use pingora::{
    connectors::{ConnectorOptions, http::Connector},
    protocols::http::client::HttpSession,
};
use prost::Message as _;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::{HealthCheckResponse, health_check_response::ServingStatus};

use super::instance::Instance;
use crate::unary::{self, Question};

/// How long an instance may take to say that it is well.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// Checks in a row that an instance must fail until it is not asked any more.
const UNHEALTHY_AFTER: u32 = 3;
/// Checks in a row that it must pass until it is asked again.
const HEALTHY_AFTER: u32 = 2;
/// Connections that are kept between checks.
const POOL_SIZE: usize = 64;
/// Of the server as a whole: an empty `HealthCheckRequest`.
const CHECK: Question<'static> = Question {
    path: "/grpc.health.v1.Health/Check",
    message: Bytes::new(),
    traceparent: None,
};

/// What the checks of one instance showed.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    healthy: bool,
    /// Checks in a row that showed the contrary.
    contrary: u32,
}

/// An instance is well until checks show that it is not.
impl Default for Health {
    fn default() -> Self {
        Self {
            healthy: true,
            contrary: 0,
        }
    }
}

impl Health {
    /// A check was passed or not. Says what the instance is now, if that
    /// changed.
    pub fn checked(&mut self, passed: bool) -> Option<bool> {
        if passed == self.healthy {
            self.contrary = 0;
            return None;
        }
        self.contrary += 1;
        let needed = if passed {
            HEALTHY_AFTER
        } else {
            UNHEALTHY_AFTER
        };
        if self.contrary < needed {
            return None;
        }
        *self = Self {
            healthy: passed,
            contrary: 0,
        };
        Some(passed)
    }
}

/// Checks instances.
#[derive(Clone)]
pub struct Checker(Arc<Connector>);

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").finish_non_exhaustive()
    }
}

impl Checker {
    /// Without connections yet.
    pub fn unconnected() -> Self {
        Self(Arc::new(Connector::new(Some(ConnectorOptions::new(
            POOL_SIZE,
        )))))
    }

    /// Checks instances once, all at the same moment.
    pub async fn check(&self, instances: Vec<Arc<Instance>>) {
        let mut checks = JoinSet::new();
        for instance in instances {
            let checker = self.clone();
            checks.spawn(async move {
                let check = tokio::time::timeout(CHECK_TIMEOUT, checker.ask(&instance));
                let outcome = check.await.context("no answer in time").flatten();
                instance.checked(outcome);
            });
        }
        checks.join_all().await;
    }

    async fn ask(&self, instance: &Instance) -> anyhow::Result<()> {
        let peer = instance.peer(CHECK_TIMEOUT, CHECK_TIMEOUT);
        let (session, _) = self.0.get_http_session(&peer).await?;
        let HttpSession::H2(mut session) = session else {
            anyhow::bail!("not HTTP/2");
        };
        let reply = unary::exchange(&mut session, &peer, &CHECK, CHECK_TIMEOUT).await;
        if reply.is_err() {
            session.shutdown();
        }
        self.0
            .release_http_session(HttpSession::H2(session), &peer, peer.options.idle_timeout)
            .await;
        let reply = reply?;
        match Code::from_i32(reply.code) {
            Code::Ok => {
                let status = HealthCheckResponse::decode(reply.body)?.status();
                anyhow::ensure!(status == ServingStatus::Serving, status.as_str_name());
                Ok(())
            }
            // It answers, and has nothing to say about its health.
            Code::Unimplemented => Ok(()),
            code => anyhow::bail!("{code:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_check_alone_changes_nothing() {
        let mut health = Health::default();
        for _ in 0..5 {
            for _ in 1..UNHEALTHY_AFTER {
                assert_eq!(health.checked(false), None);
            }
            assert_eq!(health.checked(true), None);
        }
        let changes: Vec<_> = (0..10).filter_map(|_| health.checked(false)).collect();
        assert_eq!(changes, [false], "told once");
        assert_eq!(health.checked(true), None);
        assert_eq!(health.checked(false), None);
        let changes: Vec<_> = (0..10).filter_map(|_| health.checked(true)).collect();
        assert_eq!(changes, [true]);
    }
}
