//! The edge before an origin of plain HTTP: one example for each rule.

mod arriving;
mod asking;
mod keeping;
mod origins;
mod purging;
mod spilling;
mod stale;

use std::{sync::Arc, time::Duration};

use http::Request;
use http_body_util::Full;
use svc_kit::clock::Clock;

use crate::support::{Answer, Harness, send, services::Shop, web_origin::WebOrigin};

/// An edge before an origin.
struct Site {
    edge: Harness,
    origin: Arc<WebOrigin>,
}

impl Site {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(flags: &[&str]) -> Self {
        let clock = Clock::manual(Clock::system().now());
        let origin = WebOrigin::start(clock.clone()).await;
        let at = format!("/=http://{}", origin.address);
        let flags = [&["--origin", &at], flags].concat();
        let edge = Harness::build(&flags, clock, Shop::start().await).await;
        Self { edge, origin }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.edge.edge));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.body(Full::default()).unwrap()).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    /// Gets a page; its body and what the cache said.
    async fn read(&self, path: &str, headers: &[(&str, &str)]) -> (String, String) {
        let answer = self.ask("GET", path, headers).await;
        let status = answer.header("cache-status").to_owned();
        (String::from_utf8(answer.body.to_vec()).unwrap(), status)
    }

    /// Requests that the edge has not answered yet.
    async fn in_flight(&self) -> usize {
        let metrics = self.edge.metrics().await;
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix("edge_requests_in_flight "));
        count.map_or(0, |count| count.parse().unwrap())
    }

    fn wait(&self, seconds: u64) {
        self.edge.clock.advance(Duration::from_secs(seconds));
    }

    fn gets(&self, path: &str) -> usize {
        self.origin.calls("GET", path)
    }
}

const STORED: &str = "souk; fwd=uri-miss; stored";
