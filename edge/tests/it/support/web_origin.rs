//! An HTTP/1.1 origin as others run one: it serves what a test puts there,
//! answers conditional requests, and counts what it is asked.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use edge::http_cache::date;
use http::{HeaderMap, StatusCode};
use svc_kit::clock::Clock;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What lies under a path.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    chunked: bool,
    gated: bool,
    torn: bool,
}

impl Page {
    pub(crate) fn new(body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
            chunked: false,
            gated: false,
            torn: false,
        }
    }

    /// With `Cache-Control`.
    pub(crate) fn cached(body: impl Into<Bytes>, control: &str) -> Self {
        Self::new(body).with("cache-control", control)
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Its length is not told.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The second half waits for the gate; a page without a body waits whole.
    pub(crate) fn gated(mut self) -> Self {
        self.gated = true;
        self
    }

    /// The second half does not come.
    pub(crate) fn torn(mut self) -> Self {
        self.torn = true;
        self
    }
}

/// The origin.
pub(crate) struct WebOrigin {
    pub(crate) address: SocketAddr,
    pages: Mutex<HashMap<String, Page>>,
    calls: Mutex<HashMap<String, usize>>,
    seen: Mutex<HeaderMap>,
    pub(crate) gate: Arc<Semaphore>,
    clock: Clock,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl WebOrigin {
    /// Its answers are dated by this clock.
    pub(crate) async fn start(clock: Clock) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = CancellationToken::new();
        let origin = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            pages: Mutex::default(),
            calls: Mutex::default(),
            seen: Mutex::default(),
            gate: Arc::new(Semaphore::new(0)),
            clock,
            stop: stop.clone(),
            _stop: stop.clone().drop_guard(),
        });
        let weak = Arc::downgrade(&origin);
        let router = Router::new().fallback(move |request: Request| {
            let origin = weak.upgrade();
            async move {
                match origin {
                    Some(origin) => origin.serve(request).await,
                    None => Response::default(),
                }
            }
        });
        // On a runtime of its own: when that ends, so do its connections.
        let listener = listener.into_std().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = stop.cancelled() => {}
                    served = axum::serve(listener, router) => served.unwrap(),
                }
            });
        });
        origin
    }

    /// Puts a page under a path.
    pub(crate) fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// How often a path was asked for, and with what method.
    pub(crate) fn calls(&self, method: &str, path: &str) -> usize {
        let call = format!("{method} {path}");
        self.calls.lock().unwrap().get(&call).copied().unwrap_or(0)
    }

    /// A header of the last request.
    pub(crate) fn saw(&self, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        Some(seen.get(name)?.to_str().unwrap().to_owned())
    }

    /// Ends, with all connections, without a word.
    pub(crate) fn crash(&self) {
        self.stop.cancel();
    }

    async fn serve(&self, request: Request) -> Response {
        let path = request.uri().path_and_query().unwrap().to_string();
        let call = format!("{} {path}", request.method());
        *self.calls.lock().unwrap().entry(call).or_default() += 1;
        let headers = request.headers().clone();
        drop(request); // its body cannot be shared between threads
        *self.seen.lock().unwrap() = headers.clone();
        let page = self.pages.lock().unwrap().get(&path).cloned();
        let page = page.unwrap_or_else(|| Page::new("").status(404));
        let has = |condition: &str, name: &str| {
            let told = headers.get(condition).map(|v| v.to_str().unwrap());
            told.is_some()
                && told
                    == page
                        .headers
                        .iter()
                        .find(|(n, _)| *n == name)
                        .map(|(_, v)| &**v)
        };
        let known = has("if-none-match", "etag") || has("if-modified-since", "last-modified");
        if page.gated && page.body.is_empty() {
            self.gate.acquire().await.unwrap().forget();
        }
        let mut response = Response::builder().status(if known { 304 } else { page.status });
        let date = date::format(self.clock.now().timestamp_millis());
        response = response.header("date", date);
        for (name, value) in &page.headers {
            response = response.header(*name, value);
        }
        if known || page.status == StatusCode::NO_CONTENT {
            return response.body(Body::empty()).unwrap();
        }
        if page.body.is_empty() || !(page.chunked || page.gated || page.torn) {
            return response.body(Body::from(page.body)).unwrap();
        }
        if !page.chunked {
            response = response.header("content-length", page.body.len());
        }
        let half = page.body.len() / 2;
        let (first, second) = (page.body.slice(..half), page.body.slice(half..));
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let gate = Arc::clone(&self.gate);
        tokio::spawn(async move {
            let _ = sender.send(Ok(first)).await;
            if page.gated {
                gate.acquire().await.unwrap().forget();
            }
            if page.torn {
                let _ = sender.send(Err(std::io::Error::other("torn"))).await;
            } else {
                let _ = sender.send(Ok::<_, std::io::Error>(second)).await;
            }
        });
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        response.body(Body::from_stream(stream)).unwrap()
    }
}
