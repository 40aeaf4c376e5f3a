//! Asks a service one question for the cache: a unary call of our own, over
//! connections of our own. It carries nothing of the caller's but the trace,
//! so an answer cannot depend on who asked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingora::{
    connectors::{ConnectorOptions, http::Connector},
    protocols::http::client::HttpSession,
};
use tonic::Code;

use crate::{
    bounds::GRACE,
    deadline::Deadline,
    metrics,
    refusal::Refusal,
    route::MethodRoute,
    trace::Trace,
    unary::{self, Question},
    upstream::{Call, Choice, Upstreams, choice},
};

pub use crate::unary::Reply;

/// Connections without requests that are kept.
const POOL_SIZE: usize = 64;

/// Asks services.
#[derive(Clone)]
pub struct Origin {
    connector: Arc<Connector>,
    upstreams: Upstreams,
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").finish_non_exhaustive()
    }
}

impl Origin {
    /// Asks the services at these addresses.
    pub fn new(upstreams: Upstreams) -> Self {
        Self {
            connector: Arc::new(Connector::new(Some(ConnectorOptions::new(POOL_SIZE)))),
            upstreams,
        }
    }

    /// Calls a unary method that changes nothing, within `timeout` in all. The
    /// same question goes to the same instance, as long as that does well:
    /// what it remembers is of use then.
    ///
    /// # Errors
    /// When no answer comes in time; the service's own error is an answer.
    pub async fn ask(
        &self,
        route: &MethodRoute,
        message: &Bytes,
        trace: &Trace,
        timeout: Duration,
    ) -> Result<Reply, Refusal> {
        let question = Question {
            path: &route.policy.path,
            message: message.clone(),
            traceparent: Some(trace.to_string()),
        };
        let deadline = Deadline::new(Instant::now(), None, Some(timeout));
        let choice = Choice::Key(choice::hash([question.path.as_bytes(), message.as_ref()]));
        let mut call = self
            .upstreams
            .call(route.service, false, choice)
            .inspect_err(|refusal| metrics::upstream_failed(route.service, refusal))?;
        loop {
            let outcome = self.attempt(&mut call, &question, deadline, timeout).await;
            if let Err(refusal) = &outcome {
                metrics::upstream_failed(route.service, refusal);
            }
            let is_repeated = match &outcome {
                Ok(reply) if reply.code == Code::Unavailable as i32 => {
                    call.may_go_elsewhere(deadline)
                }
                Err(Refusal::UpstreamUnavailable) => call.may_go_elsewhere(deadline),
                // A kept connection may have died unseen.
                Err(Refusal::UpstreamBroken) => call.may_repeat(deadline),
                Ok(_) | Err(_) => false,
            };
            if !is_repeated {
                return outcome;
            }
            call.pass_over();
        }
    }

    async fn attempt(
        &self,
        call: &mut Call,
        question: &Question<'_>,
        deadline: Deadline,
        timeout: Duration,
    ) -> Result<Reply, Refusal> {
        let left = || deadline.left().unwrap_or(timeout);
        let peer = call.attempt(left() + GRACE, deadline)?;
        let instance = call.label();
        let instance = instance.as_deref();
        let connecting = self.connector.get_http_session(&peer);
        let mut session = match tokio::time::timeout(left() + GRACE, connecting).await {
            Ok(Ok((HttpSession::H2(session), _))) => session,
            Ok(Ok(_)) => {
                call.failed();
                return Err(Refusal::UpstreamBroken);
            }
            Ok(Err(error)) => {
                tracing::warn!(instance, %error, "instance not reached");
                call.failed();
                return Err(Refusal::UpstreamUnavailable);
            }
            Err(_) => {
                call.failed();
                return Err(Refusal::DeadlineExceeded);
            }
        };
        call.sent();
        let exchange = unary::exchange(&mut session, &peer, question, left());
        let outcome = tokio::time::timeout(left() + GRACE, exchange).await;
        if !matches!(outcome, Ok(Ok(_))) {
            session.shutdown(); // tells the service that nobody waits any more
        }
        self.connector
            .release_http_session(HttpSession::H2(session), &peer, peer.options.idle_timeout)
            .await;
        match outcome {
            Ok(Ok(reply)) => {
                call.answered(reply.code == Code::Unavailable as i32);
                Ok(reply)
            }
            Ok(Err(error)) => {
                tracing::warn!(instance, %error, "instance broke off");
                call.failed();
                Err(Refusal::UpstreamBroken)
            }
            Err(_) => {
                call.given_up();
                Err(Refusal::DeadlineExceeded)
            }
        }
    }
}
