//! A Stripe that does what a test says: it remembers its answers by their keys,
//! lists newest first within a span of time, and can be given what somebody else
//! has made.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, Uri},
    routing::{get, post},
};
use proto::souk::event::v1::PaymentRequested;
use serde_json::{Value, json};
use svc_payment::provider::stripe::{CaptureMode, StripeConfig};

use crate::harness::START;

type Params = HashMap<String, String>;
type Answer = (StatusCode, Json<Value>);

/// What becomes of what it is asked to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    /// It is made.
    #[default]
    Willing,
    /// It is refused, and the same key gets the same answer from then on.
    Refusing,
    /// Nothing is made and nobody knows.
    Failing,
}

/// What it has.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Oldest first.
    pub(crate) intents: Vec<Value>,
    /// Oldest first.
    pub(crate) refunds: Vec<Value>,
    /// The keys of the refunds that it was asked for.
    pub(crate) refund_keys: Vec<String>,
    pub(crate) mood: Mood,
    /// Whether its search finds anything.
    pub(crate) searches: bool,
    answers: HashMap<String, (StatusCode, Value)>,
}

/// Cheap to clone; clones share its books.
#[derive(Clone)]
pub(crate) struct StripeStub {
    url: String,
    books: Arc<Mutex<Books>>,
}

impl StripeStub {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            books: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/payment_intents", post(charge).get(list_intents))
            .route("/v1/payment_intents/search", get(search))
            .route("/v1/payment_intents/{id}", get(intent))
            .route("/v1/refunds", post(refund).get(list_refunds))
            .with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        stub
    }

    pub(crate) fn config(&self) -> StripeConfig {
        StripeConfig {
            url: self.url.clone(),
            secret_key: Some("sk_test_of_nobody".to_owned().into()),
            webhook_secret: None,
            capture: CaptureMode::Automatic,
        }
    }

    /// Not to be held while it is asked something.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// The intents of a payment.
    pub(crate) fn intents_of(&self, request: &PaymentRequested) -> Vec<Value> {
        let books = self.books();
        let all = books.intents.iter();
        let id = request.payment_id.as_str();
        all.filter(|intent| intent["metadata"]["payment_id"] == id)
            .cloned()
            .collect()
    }

    /// Has intents of other payments made, so many seconds after the start.
    pub(crate) fn make_others(&self, count: usize, seconds: i64) {
        let mut books = self.books();
        for _ in 0..count {
            let number = books.intents.len();
            let other = json!({
                "id": format!("pi_{number}"), "created": START + seconds, "status": "succeeded",
                "amount": 1, "amount_received": 1, "currency": "eur", "metadata": {},
            });
            books.intents.push(other);
        }
    }
}

fn refused(message: &str) -> (StatusCode, Value) {
    let error = json!({"error": {"type": "invalid_request_error", "message": message}});
    (StatusCode::BAD_REQUEST, error)
}

fn form(body: &str) -> Params {
    let uri: Uri = format!("/?{body}").parse().unwrap();
    Query::try_from_uri(&uri).unwrap().0
}

fn metadata(form: &Params) -> Value {
    form.iter()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((name.to_owned(), Value::from(value.as_str())))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Answers what is to be made: a key that was answered before gets that answer.
fn once(stub: &StripeStub, headers: &HeaderMap, make: impl FnOnce(&mut Books) -> Value) -> Answer {
    let key = headers["idempotency-key"].to_str().unwrap();
    let mut books = stub.books();
    if let Some((status, answer)) = books.answers.get(key) {
        return (*status, Json(answer.clone()));
    }
    if books.mood == Mood::Failing {
        let error = json!({"error": {"type": "api_error"}});
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(error));
    }
    let answer = match books.mood {
        Mood::Refusing => refused("not now"),
        _ => (StatusCode::OK, make(&mut books)),
    };
    books.answers.insert(key.to_owned(), answer.clone());
    (answer.0, Json(answer.1))
}

async fn charge(State(stub): State<StripeStub>, headers: HeaderMap, body: String) -> Answer {
    let form = form(&body);
    once(&stub, &headers, |books| {
        let amount: i64 = form["amount"].parse().unwrap();
        let intent = json!({
            "id": format!("pi_{}", books.intents.len()), "created": START, "status": "succeeded",
            "amount": amount, "amount_received": amount, "currency": form["currency"],
            "metadata": metadata(&form),
        });
        books.intents.push(intent.clone());
        intent
    })
}

async fn refund(State(stub): State<StripeStub>, headers: HeaderMap, body: String) -> Answer {
    let form = form(&body);
    let key = headers["idempotency-key"].to_str().unwrap();
    stub.books().refund_keys.push(key.to_owned());
    once(&stub, &headers, |books| {
        let amount: i64 = form["amount"].parse().unwrap();
        let is_it = |intent: &&Value| intent["id"] == form["payment_intent"].as_str();
        let currency = &books.intents.iter().find(is_it).unwrap()["currency"];
        let refund = json!({
            "id": format!("re_{}", books.refunds.len()), "created": START, "status": "succeeded",
            "payment_intent": form["payment_intent"], "amount": amount, "currency": currency,
            "metadata": metadata(&form),
        });
        books.refunds.push(refund.clone());
        refund
    })
}

/// A page of those that pass, newest first.
fn page(all: &[Value], params: &Params, passes: impl Fn(&Value) -> bool) -> Answer {
    let limit = params
        .get("limit")
        .map_or(10, |limit| limit.parse().unwrap());
    let created = |one: &Value| one["created"].as_i64().unwrap();
    let bound = |name: &str| params.get(name).map(|time| time.parse::<i64>().unwrap());
    let mut all: Vec<_> = all
        .iter()
        .filter(|one| bound("created[gte]").is_none_or(|from| created(one) >= from))
        .filter(|one| bound("created[lte]").is_none_or(|until| created(one) <= until))
        .filter(|one| bound("created[lt]").is_none_or(|until| created(one) < until))
        .filter(|one| passes(one))
        .rev()
        .collect();
    all.sort_by_key(|one| std::cmp::Reverse(created(one)));
    let start = params.get("starting_after").map_or(0, |after| {
        1 + all
            .iter()
            .position(|one| one["id"] == after.as_str())
            .unwrap()
    });
    let rest = &all[start..];
    let page = json!({
        "object": "list", "has_more": rest.len() > limit,
        "data": rest.iter().take(limit).collect::<Vec<_>>(),
    });
    (StatusCode::OK, Json(page))
}

async fn list_intents(State(stub): State<StripeStub>, Query(params): Query<Params>) -> Answer {
    page(&stub.books().intents, &params, |_| true)
}

async fn list_refunds(State(stub): State<StripeStub>, Query(params): Query<Params>) -> Answer {
    let intent = params.get("payment_intent");
    page(&stub.books().refunds, &params, |refund| {
        intent.is_none_or(|intent| refund["payment_intent"] == intent.as_str())
    })
}

async fn search(State(stub): State<StripeStub>, Query(params): Query<Params>) -> Answer {
    let books = stub.books();
    if !books.searches {
        let (status, error) = refused("there is no search");
        return (status, Json(error));
    }
    let query = params["query"].as_str();
    page(&books.intents, &params, |intent| {
        let id = intent["metadata"]["payment_id"].as_str();
        id.is_some_and(|id| query == format!("metadata['payment_id']:'{id}'"))
    })
}

async fn intent(State(stub): State<StripeStub>, Path(id): Path<String>) -> Answer {
    let books = stub.books();
    let found = books.intents.iter().find(|intent| intent["id"] == id);
    let (status, answer) = found.map_or_else(
        || refused("there is none"),
        |intent| (StatusCode::OK, intent.clone()),
    );
    (status, Json(answer))
}
