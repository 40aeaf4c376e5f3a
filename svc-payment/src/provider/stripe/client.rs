//! Calls to Stripe over HTTPS. What a failed call means for money is said here
//! once: refused, so that nothing happened, or unknown.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;
use svc_kit::secret::Secret;

use super::shapes::{ErrorAnswer, Refusal};

/// The version of Stripe's API that this code speaks.
const API_VERSION: &str = "2025-03-31.basil";

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one call may take, its answer included. Shorter than a provider has
/// for all that it does.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// The largest answer that is read: a page of intents with all they carry.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Stripe's name for one of its answers, for its support.
const REQUEST_ID: &str = "request-id";

/// A call that brought nothing to go on with.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was refused, and nothing happened.
    Refused(Box<Refusal>),
    /// Nobody knows; it was logged.
    Unknown,
}

/// Calls to Stripe. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Secret,
}

impl Client {
    pub(super) fn new(url: &str, key: &Secret) -> anyhow::Result<Self> {
        let base: Url = url.parse().context("the address of stripe is malformed")?;
        anyhow::ensure!(
            matches!(base.scheme(), "https" | "http") && base.has_host(),
            "the address of stripe is not one of HTTP"
        );
        let http = reqwest::Client::builder()
            .no_proxy()
            // A redirect would carry the secret key to somebody else.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .build()
            .context("no HTTP client for stripe")?;
        Ok(Self {
            http,
            base,
            key: key.clone(),
        })
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let request = self.request(Method::GET, path)?.query(query);
        read(path, request).await
    }

    /// Changes something; the same key twice changes it once.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        form: &[(&str, &str)],
        idempotency_key: Option<&str>,
    ) -> Result<T, Failure> {
        let mut request = self.request(Method::POST, path)?.form(form);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        read(path, request).await
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, Failure> {
        let mut url = self.base.clone();
        // What is in an id of theirs cannot lead elsewhere: it is escaped.
        url.path_segments_mut()
            .map_err(|()| Failure::Unknown)?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        Ok(self
            .http
            .request(method, url)
            .bearer_auth(self.key.expose())
            .header("stripe-version", API_VERSION))
    }
}

async fn read<T: DeserializeOwned>(path: &[&str], request: RequestBuilder) -> Result<T, Failure> {
    let resource = path.first().copied().unwrap_or_default();
    let answered = async {
        let answer = request.send().await?;
        let status = answer.status();
        let request_id = answer
            .headers()
            .get(REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok::<_, reqwest::Error>((status, request_id, body(answer).await?))
    };
    let (status, request_id, body) = match answered.await {
        Ok((status, request_id, Some(body))) => (status, request_id, body),
        Ok((status, request_id, None)) => {
            tracing::error!(resource, %status, request_id, "stripe's answer is too large");
            return Err(Failure::Unknown);
        }
        Err(fault) => {
            // Its address may name an intent, which is of no use to anybody.
            let error = svc_kit::error::chain(&fault.without_url());
            tracing::warn!(resource, error, "stripe does not answer");
            return Err(Failure::Unknown);
        }
    };
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| {
            // The line and column of what is wrong, never its text.
            let (line, column) = (error.line(), error.column());
            tracing::error!(
                resource,
                request_id,
                line,
                column,
                "stripe's answer is not understood"
            );
            Failure::Unknown
        });
    }
    let Ok(ErrorAnswer { error: mut refusal }) = serde_json::from_slice(&body) else {
        // Not Stripe's words: somebody on the way there speaks.
        tracing::warn!(resource, %status, request_id, "stripe gives no answer");
        return Err(Failure::Unknown);
    };
    refusal.payment_required = status == StatusCode::PAYMENT_REQUIRED;
    let (kind, code) = (refusal.kind.as_str(), refusal.code.as_deref());
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND
            // The key was used for something else: that may well have happened.
            if kind != "idempotency_error" =>
        {
            tracing::info!(resource, %status, request_id, kind, code, "stripe refuses");
            Err(Failure::Refused(Box::new(refusal)))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            tracing::error!(resource, %status, request_id, kind, code, "stripe refuses our key");
            Err(Failure::Unknown)
        }
        _ => {
            tracing::warn!(resource, %status, request_id, kind, code, "stripe gives no answer");
            Err(Failure::Unknown)
        }
    }
}

/// All of an answer; none if it is too large.
async fn body(mut answer: Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
