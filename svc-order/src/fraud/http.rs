//! An outside service that is asked over HTTP: a POST of JSON, answered by
//! `{"verdict": "accept" | "review" | "refuse", "reasons": ["…"]}`. It is told
//! the request's id, so that it can see a repeat.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use svc_kit::{money::Money, secret::Secret};
use uuid::Uuid;

use super::{MAX_REASONS, Reason, Screen, ScreenError, Screening, Verdict};

/// The largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The service.
pub struct Http {
    client: reqwest::Client,
    url: reqwest::Url,
    key: Option<Secret>,
}

impl Http {
    /// The service at an address, with the key that it wants to see.
    ///
    /// # Errors
    /// When the address is none, or there is no TLS.
    pub fn new(url: &str, key: Option<Secret>) -> anyhow::Result<Self> {
        let url = url
            .parse()
            .map_err(|error| anyhow::anyhow!("the address of the fraud screen: {error}"))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, url, key })
    }

    async fn ask(&self, asked: &Screening) -> Result<Verdict, ScreenError> {
        let away = |error: reqwest::Error| ScreenError::Away(error.without_url().into());
        let mut request = self
            .client
            .post(self.url.clone())
            .json(&Question::of(asked));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose());
        }
        let response = request.send().await.map_err(away)?;
        let mut response = response.error_for_status().map_err(away)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(ScreenError::Nonsense(format!(
                    "more than {MAX_ANSWER_BYTES} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice::<Answer>(&body)
            .map(Verdict::from)
            .map_err(|error| ScreenError::Nonsense(error.to_string()))
    }
}

impl Screen for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn screen<'a>(&'a self, asked: &'a Screening) -> BoxFuture<'a, Result<Verdict, ScreenError>> {
        Box::pin(self.ask(asked))
    }
}

#[derive(Serialize)]
struct Question<'a> {
    request_id: Uuid,
    order_id: Uuid,
    account_id: Uuid,
    total: Amount,
    lines: Vec<Line>,
    shipping_country: &'a str,
    billing_country: Option<&'a str>,
}

/// In the currency's minor unit.
#[derive(Serialize)]
struct Amount {
    currency: &'static str,
    minor: i64,
}

#[derive(Serialize)]
struct Line {
    product_id: Uuid,
    quantity: i32,
    unit_price: Amount,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self {
            currency: money.currency.code(),
            minor: money.minor,
        }
    }
}

impl<'a> Question<'a> {
    fn of(asked: &'a Screening) -> Self {
        Self {
            request_id: asked.request_id,
            order_id: asked.order_id.0,
            account_id: asked.account_id.0,
            total: asked.total.into(),
            lines: asked
                .lines
                .iter()
                .map(|&(product_id, quantity, price)| Line {
                    product_id: product_id.0,
                    quantity,
                    unit_price: price.into(),
                })
                .collect(),
            shipping_country: &asked.shipping_country,
            billing_country: asked.billing_country.as_deref(),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    verdict: Word,
    #[serde(default)]
    reasons: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Accept,
    Review,
    Refuse,
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Self {
        let given = answer.reasons.iter().take(MAX_REASONS);
        let mut reasons: Vec<Reason> = given
            .map(|reason| Reason::given(reason, "SCREEN_OTHER"))
            .collect();
        if reasons.is_empty() {
            reasons.push(Reason::of("SCREEN_OTHER"));
        }
        match answer.verdict {
            Word::Accept => Self::Accept,
            Word::Review => Self::Review(reasons),
            Word::Refuse => Self::Refuse(reasons.swap_remove(0)),
        }
    }
}
