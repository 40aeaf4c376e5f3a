//! The edge's part of the admin port: what is kept, and how to be rid of it.
//! It shows questions as callers asked them, so it is for operators alone.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::Uri;
use proto::souk::event::v1::PurgeRequested;
use serde::{Deserialize, Serialize};
use serde_json::json;
use svc_kit::{broadcast, clock::Clock, id, nats::Nats};
use tokio::sync::Semaphore;

use crate::{
    cache::{
        Cache,
        list::{Listed, What},
        url_tag,
    },
    metrics::{self, Reads},
    question::Question,
};

/// Entries in one answer, at most.
const MAX_LISTED: usize = 1000;
/// Entries in one answer, when nobody says how many.
const DEFAULT_LISTED: usize = 100;
/// Tags in one purge.
const MAX_TAGS: usize = 1000;
/// Bytes of a tag, or of an address.
const MAX_TAG_BYTES: usize = 8 * 1024;
/// The largest request.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// How many may go through the whole cache at once.
const MAX_LISTING: usize = 1;

/// What the admin port needs.
#[derive(Debug, Clone)]
pub struct Desk {
    cache: Arc<Cache>,
    nats: Nats,
    clock: Clock,
    listing: Arc<Semaphore>,
}

impl Desk {
    /// Looks into this cache, and tells the fleet over this NATS.
    pub fn new(cache: Arc<Cache>, nats: Nats, clock: Clock) -> Self {
        Self {
            cache,
            nats,
            clock,
            listing: Arc::new(Semaphore::new(MAX_LISTING)),
        }
    }

    /// What is answered.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/cache", get(summary))
            .route("/cache/entries", get(entries))
            .route("/cache/top", get(top))
            .route("/cache/reads", get(reads))
            .route("/cache/purge", post(purge))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .with_state(self)
    }

    /// Goes through the cache on a thread that may take its time.
    async fn list<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Cache) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let listing = Arc::clone(&self.listing);
        let turn = listing.acquire_owned().await.map_err(Refused::internal)?;
        let cache = Arc::clone(&self.cache);
        // The turn lasts as long as the look, whoever still waits for it.
        let looking = tokio::task::spawn_blocking(move || {
            let found = look(&cache);
            drop(turn);
            found
        });
        looking.await.map_err(Refused::internal)
    }
}

/// Why a request is not answered.
struct Refused(StatusCode, String);

impl Refused {
    fn invalid(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }

    fn internal(error: impl std::error::Error) -> Self {
        tracing::error!(%error, "the cache was not listed");
        Self(StatusCode::INTERNAL_SERVER_ERROR, "see the log".to_owned())
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// What is kept in all.
#[derive(Serialize)]
struct Summary {
    bytes: u64,
    entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<OnDisk>,
    /// Whether all purges so far are known; if not, what is kept is trusted
    /// for seconds only.
    caught_up: bool,
}

/// What is kept in the folder, where there is one.
#[derive(Serialize)]
struct OnDisk {
    bytes: u64,
    pages: u64,
}

async fn summary(State(desk): State<Desk>) -> Json<Summary> {
    let (bytes, entries) = desk.cache.size();
    Json(Summary {
        bytes,
        entries,
        disk: desk
            .cache
            .disk_size()
            .map(|(bytes, pages)| OnDisk { bytes, pages }),
        caught_up: !desk.cache.is_deaf(),
    })
}

/// What a kept answer is for.
#[derive(Serialize)]
#[serde(untagged)]
enum Asked {
    Call(Question),
    Page {
        url: String,
        status: u16,
        on_disk: bool,
    },
}

impl Asked {
    fn of(what: &What) -> Option<Self> {
        Some(match what {
            What::Call(key) => Self::Call(Question::of(key)?),
            What::Page {
                url,
                status,
                on_disk,
            } => Self::Page {
                url: url.text(),
                status: *status,
                on_disk: *on_disk,
            },
        })
    }
}

/// One kept answer.
#[derive(Serialize)]
struct Kept {
    #[serde(flatten)]
    asked: Option<Asked>,
    hits: u64,
    bytes: usize,
    ttl_seconds: i64,
}

impl From<Listed> for Kept {
    fn from(listed: Listed) -> Self {
        Self {
            asked: Asked::of(&listed.what),
            hits: listed.hits,
            bytes: listed.bytes,
            ttl_seconds: listed.ttl_seconds,
        }
    }
}

/// Some kept answers, of so many.
#[derive(Serialize)]
struct Entries {
    entries: Vec<Kept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhichEntries {
    tag: Option<String>,
    url: Option<String>,
    limit: Option<usize>,
}

/// What a purge of a tag, or of an address, would take.
async fn entries(
    State(desk): State<Desk>,
    which: Result<Query<WhichEntries>, QueryRejection>,
) -> Result<Json<Entries>, Refused> {
    let Query(which) = which?;
    let limit = listed(which.limit)?;
    let tag = match (which.tag, which.url) {
        (Some(tag), None) => checked(tag)?,
        (None, Some(url)) => tag_of(&url)?,
        _ => return Err(Refused::invalid("either a tag or a url is needed")),
    };
    let (found, total) = desk.list(move |cache| cache.tagged(&tag, limit)).await?;
    Ok(Json(Entries {
        entries: found.into_iter().map(Kept::from).collect(),
        total: Some(total),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HowMany {
    limit: Option<usize>,
}

/// The questions and pages that are answered from the cache most.
async fn top(
    State(desk): State<Desk>,
    how_many: Result<Query<HowMany>, QueryRejection>,
) -> Result<Json<Entries>, Refused> {
    let limit = listed(how_many?.limit)?;
    let top = desk.list(move |cache| cache.top(limit)).await?;
    Ok(Json(Entries {
        entries: top.into_iter().map(Kept::from).collect(),
        total: None,
    }))
}

/// The reads of one method since the start.
#[derive(Serialize)]
struct MethodReads {
    #[serde(flatten)]
    reads: Reads,
    hit_ratio: Option<f64>,
}

async fn reads() -> Json<BTreeMap<String, MethodReads>> {
    let reads = metrics::reads().into_iter().map(|(method, reads)| {
        let hit_ratio = reads.hit_ratio();
        (method, MethodReads { reads, hit_ratio })
    });
    Json(reads.collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    soft: bool,
}

/// What the fleet was told.
#[derive(Serialize)]
struct Purged {
    purge_id: String,
    tags: Vec<String>,
    soft: bool,
}

/// Tells all edges, this one too. It has been told when this answers, and is
/// done as soon as each hears of it.
async fn purge(
    State(desk): State<Desk>,
    purge: Result<Json<Purge>, JsonRejection>,
) -> Result<(StatusCode, Json<Purged>), Refused> {
    let Json(purge) = purge?;
    let count = purge.tags.len() + purge.urls.len();
    if !(1..=MAX_TAGS).contains(&count) {
        return Err(Refused::invalid(format!(
            "1 to {MAX_TAGS} tags and urls are taken, not {count}"
        )));
    }
    let tags = purge.tags.into_iter().map(checked);
    let tags = tags.chain(purge.urls.iter().map(|url| tag_of(url)));
    let event = PurgeRequested {
        purge_id: id::generate(&desk.clock).to_string(),
        tags: tags.collect::<Result<_, _>>()?,
        soft: purge.soft,
    };
    broadcast::tell(&desk.nats, &desk.clock, &event)
        .await
        .map_err(|error| {
            tracing::warn!(error = format!("{error:#}"), "a purge was not told");
            let why = format!("the edges may not have been told: {error:#}");
            Refused(StatusCode::SERVICE_UNAVAILABLE, why)
        })?;
    tracing::info!(
        purge_id = event.purge_id,
        tags = event.tags.len(),
        soft = event.soft,
        "a purge was asked for by hand"
    );
    Ok((
        StatusCode::ACCEPTED,
        Json(Purged {
            purge_id: event.purge_id,
            tags: event.tags,
            soft: event.soft,
        }),
    ))
}

fn listed(limit: Option<usize>) -> Result<usize, Refused> {
    let limit = limit.unwrap_or(DEFAULT_LISTED);
    if limit > MAX_LISTED {
        return Err(Refused::invalid(format!("the limit is above {MAX_LISTED}")));
    }
    Ok(limit)
}

fn checked(tag: String) -> Result<String, Refused> {
    if tag.is_empty() || tag.len() > MAX_TAG_BYTES {
        return Err(Refused::invalid(format!(
            "a tag has 1 to {MAX_TAG_BYTES} bytes"
        )));
    }
    Ok(tag)
}

/// The tag of an address: "https://shop.example/media/1.jpg?w=200".
fn tag_of(url: &str) -> Result<String, Refused> {
    if url.len() > MAX_TAG_BYTES {
        return Err(Refused::invalid(format!(
            "a url has at most {MAX_TAG_BYTES} bytes"
        )));
    }
    let uri: Uri = url
        .parse()
        .map_err(|error| Refused::invalid(format!("\"{url}\" is no url: {error}")))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let (true, Some(authority)) = (is_http, uri.authority()) else {
        return Err(Refused::invalid(format!(
            "\"{url}\" does not begin with https:// or http://"
        )));
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(url_tag(authority.as_str(), path))
}
