//! The port of the platform team: is it alive, is it ready, how does it do.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, http::StatusCode, routing::get};
use futures::future::BoxFuture;
use tokio::net::TcpListener;

use crate::{Shutdown, metrics};

/// How long one readiness check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long those who ask may take to end when the process does.
const FAREWELL: Duration = Duration::from_secs(1);

/// Something that must hold before calls are welcome.
pub(crate) type Check = Arc<dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// The admin server of a process.
#[derive(Default, Clone)]
pub struct Admin {
    checks: BTreeMap<&'static str, Check>,
    routes: Router,
}

impl Admin {
    /// One that is always ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `check` whenever somebody asks whether the process is ready.
    #[must_use]
    pub fn ready<F>(
        mut self,
        name: &'static str,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.checks
            .insert(name, Arc::new(move || Box::pin(check())));
        self
    }

    /// Also answers these.
    #[must_use]
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Answers until told to stop.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn serve(self, listen: SocketAddr, shutdown: Shutdown) -> anyhow::Result<()> {
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            anyhow::anyhow!("cannot listen on {listen} for administration: {error}")
        })?;
        self.answer(listener, shutdown).await
    }

    /// Answers on a socket that listens already, until told to stop.
    ///
    /// # Errors
    /// When the socket is of no use.
    pub async fn serve_on(
        self,
        listener: std::net::TcpListener,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        listener.set_nonblocking(true)?;
        self.answer(TcpListener::from_std(listener)?, shutdown)
            .await
    }

    async fn answer(self, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
        let stopping = shutdown.clone();
        let more = self.routes.clone();
        let router = Router::new()
            .route("/livez", get(async || "ok\n"))
            .route(
                "/readyz",
                get(move || self.clone().readyz(stopping.clone())),
            )
            .route("/metrics", get(async || metrics::text()))
            .merge(more);
        let stopping = shutdown.clone();
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stopping.stopped().await });
        let farewell = async {
            shutdown.stopped().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            served = served.into_future() => served?,
            // Who is in the middle of a question does not keep us from ending.
            () = farewell => {}
        }
        Ok(())
    }

    async fn readyz(
        self,
        shutdown: Shutdown,
    ) -> (StatusCode, Json<BTreeMap<&'static str, String>>) {
        let mut report = BTreeMap::new();
        let mut ready = !shutdown.is_stopped();
        if !ready {
            report.insert("process", "stopping".to_owned());
        }
        for (name, check) in &self.checks {
            let outcome = match tokio::time::timeout(CHECK_TIMEOUT, check()).await {
                Ok(Ok(())) => "ok".to_owned(),
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => "no answer in time".to_owned(),
            };
            ready &= outcome == "ok";
            report.insert(name, outcome);
        }
        (
            if ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            },
            Json(report),
        )
    }
}
