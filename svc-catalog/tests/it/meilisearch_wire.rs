//! How the Meilisearch engine talks, and what happens when nobody answers: to a
//! stand-in that speaks as the server's reference documents say. Whether a real
//! server finds the right things, `search_engines` asks.
//! <https://www.meilisearch.com/docs/reference/api/search>

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use svc_catalog::search::{
    Engine as _, Filter, Meilisearch, MeilisearchEngine, PostgresEngine, Query, SearchError, Sort,
    WithFallback,
};

use crate::harness::{Shop, id};

#[derive(Clone, Default)]
struct StandIn {
    asked: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<Vec<(u16, Value)>>>,
}

impl StandIn {
    /// What it will answer; after these, that it is ill.
    async fn serve(answers: Vec<(u16, Value)>) -> (Self, MeilisearchEngine) {
        let stand_in = Self::default();
        *stand_in.answers.lock().unwrap() = answers.into_iter().rev().collect();
        let router = Router::new()
            .route("/indexes/shop/search", post(answer))
            .with_state(stand_in.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let key = "masterKey".to_owned().into();
        let server = Meilisearch::new(&url, Some(&key), "shop").unwrap();
        (stand_in, MeilisearchEngine::new(server))
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(stand_in): State<StandIn>, Json(question): Json<Value>) -> Response {
    stand_in.asked.lock().unwrap().push(question);
    let (status, body) = stand_in.answers.lock().unwrap().pop().unwrap_or((
        500,
        json!({"message": "ill", "code": "internal", "type": "internal", "link": ""}),
    ));
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn results(ids: &[String], total: usize) -> Value {
    let hits: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    json!({
        "hits": hits, "offset": 0, "limit": 20, "estimatedTotalHits": total,
        "facetDistribution": {
            "category_id": {"tents": total},
            "terms": {"size\u{1f}5\u{e001}": 1},
        },
        "facetStats": {}, "processingTimeMs": 1, "query": "q",
    })
}

fn query(text: &str) -> Query {
    Query {
        text: text.to_owned(),
        limit: 20,
        ..Query::default()
    }
}

#[sqlx::test(migrations = false)]
async fn a_question_is_asked_and_its_answer_is_read(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let answer = results(std::slice::from_ref(&tent.id), 1);
    let (server, engine) = StandIn::serve(vec![(200, answer)]).await;
    let found = engine
        .search(&Query {
            filter: Filter {
                category_id: Some("tents".parse().unwrap()),
                in_stock_only: true,
                ..Filter::default()
            },
            sort: Sort::PriceAsc,
            ..query("tnet")
        })
        .await
        .unwrap();
    assert_eq!(found.ids, [id(&tent)]);
    assert_eq!(found.total, 1);
    assert_eq!(found.facets[0].values, [("tents".to_owned(), 1)]);
    assert_eq!(found.facets[1].name, "size");
    assert_eq!(found.facets[1].values, [("5\"".to_owned(), 1)]);
    let asked = &server.asked()[0];
    assert_eq!(asked["q"], "tnet");
    assert_eq!(
        asked["filter"],
        "categories = \"tents\" AND in_stock = true"
    );
    assert_eq!(asked["sort"], json!(["price_minor:asc"]));
    assert_eq!(asked["facets"], json!(["category_id", "terms"]));
    assert_eq!(asked["matchingStrategy"], "all");
}

#[sqlx::test(migrations = false)]
async fn when_no_product_has_all_words_fewer_are_asked_for(pool: PgPool) {
    drop(pool);
    let (server, engine) =
        StandIn::serve(vec![(200, results(&[], 0)), (200, results(&[], 0))]).await;
    engine.search(&query("tent xylophone")).await.unwrap();
    let strategies: Vec<Value> = server
        .asked()
        .iter()
        .map(|asked| asked["matchingStrategy"].clone())
        .collect();
    assert_eq!(strategies, ["all", "last"]);
}

#[sqlx::test(migrations = false)]
async fn postgres_answers_when_the_server_does_not_and_is_asked_alone_after_a_while(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Forest Tent", 1).await;
    let (server, engine) = StandIn::serve(vec![]).await;
    assert!(matches!(
        engine.search(&query("forest")).await,
        Err(SearchError::Server(_))
    ));
    let both = WithFallback::new(engine, PostgresEngine::new(shop.app.db.clone()));
    for _ in 0..10 {
        assert_eq!(
            both.search(&query("forest")).await.unwrap().ids,
            [id(&tent)]
        );
        assert_eq!(both.suggest("for", 5).await.unwrap()[0].text, "Forest Tent");
    }
    assert_eq!(
        server.asked().len(),
        1 + 3,
        "after three failures it is left alone"
    );
}

#[sqlx::test(migrations = false)]
async fn an_index_that_is_not_built_yet_is_a_failure_as_any(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Forest Tent", 1).await;
    let missing = json!({
        "message": "Index `shop` not found.", "code": "index_not_found",
        "type": "invalid_request", "link": "https://docs.meilisearch.com/errors#index_not_found",
    });
    let (_, engine) = StandIn::serve(vec![(404, missing)]).await;
    let both = WithFallback::new(engine, PostgresEngine::new(shop.app.db.clone()));
    assert_eq!(
        both.search(&query("forest")).await.unwrap().ids,
        [id(&tent)]
    );
}
