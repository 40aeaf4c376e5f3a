//! The same questions to both engines. Those to Meilisearch are asked when
//! `SOUK_TEST_MEILI_URL` (and `SOUK_TEST_MEILI_KEY`) say where one is.

use std::time::Duration;

use prost_types::{Struct, Value, value::Kind};
use proto::souk::catalog::v1 as pb;
use sqlx::PgPool;
use svc_catalog::{
    consumers::OnProductChangedSearch,
    jobs::IndexProducts,
    search::{
        Engine, Filter, Indexer, Meilisearch, MeilisearchEngine, PostgresEngine, PriceRange, Query,
        Sort,
    },
    store::products,
};
use svc_kit::{
    consumer::deliver,
    job::{Job as _, Progress},
};

use crate::{
    data::retail_shop,
    harness::{Shop, eur, new_id, tent},
};

/// An engine, and how it hears of what changed.
trait Subject {
    type Engine: Engine;
    fn engine(&self) -> &Self::Engine;
    async fn catch_up(&self, shop: &Shop);
}

struct OnPostgres(PostgresEngine);

impl Subject for OnPostgres {
    type Engine = PostgresEngine;

    fn engine(&self) -> &PostgresEngine {
        &self.0
    }

    async fn catch_up(&self, _: &Shop) {}
}

struct OnMeilisearch(MeilisearchEngine, IndexProducts);

impl Subject for OnMeilisearch {
    type Engine = MeilisearchEngine;

    fn engine(&self) -> &MeilisearchEngine {
        &self.0
    }

    async fn catch_up(&self, shop: &Shop) {
        let consumer = OnProductChangedSearch {
            app: shop.app.clone(),
        };
        for event in shop.product_changes().await {
            deliver(&shop.app.db, &consumer, new_id(), event)
                .await
                .unwrap();
        }
        shop.forget_events().await;
        while self.1.step().await.unwrap() == Progress::More {}
    }
}

fn on_postgres(shop: &Shop) -> OnPostgres {
    OnPostgres(PostgresEngine::new(shop.app.db.clone()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told where servers are by the environment"
)]
fn on_meilisearch(shop: &Shop) -> Option<OnMeilisearch> {
    let Ok(url) = std::env::var("SOUK_TEST_MEILI_URL") else {
        println!("skipped: SOUK_TEST_MEILI_URL names no Meilisearch server");
        return None;
    };
    let key = std::env::var("SOUK_TEST_MEILI_KEY").ok().map(Into::into);
    let server = Meilisearch::new(&url, key.as_ref(), &format!("test-{}", new_id())).unwrap();
    let indexer = Indexer::new(shop.app.db.clone(), shop.app.clock.clone(), server.clone());
    Some(OnMeilisearch(
        MeilisearchEngine::new(server),
        IndexProducts { indexer },
    ))
}

fn query(text: &str) -> Query {
    Query {
        text: text.to_owned(),
        limit: 20,
        ..Query::default()
    }
}

async fn titles(shop: &Shop, subject: &impl Subject, query: &Query) -> Vec<String> {
    let found = subject.engine().search(query).await.unwrap();
    let products = products::get_all(shop.app.db.reader(), &found.ids)
        .await
        .unwrap();
    found
        .ids
        .iter()
        .map(|id| {
            let product = products.iter().find(|product| product.id == *id).unwrap();
            product.details.title.clone()
        })
        .collect()
}

fn attributes(colour: &str, persons: f64) -> Struct {
    let value = |kind| Value { kind: Some(kind) };
    let fields = [
        (
            "colour".to_owned(),
            value(Kind::StringValue(colour.to_owned())),
        ),
        ("persons".to_owned(), value(Kind::NumberValue(persons))),
    ];
    Struct {
        fields: fields.into(),
    }
}

async fn stock_up(shop: &Shop) {
    let products = [
        ("Forest Haven Tent", "tents", 20_000, "green", 3.0, 5),
        ("Summit Expedition Tent", "tents", 40_000, "red", 2.0, 0),
        ("Adventure Backpack", "outdoors", 12_999, "green", 1.0, 9),
        (
            "Leather Jacket",
            "outdoors",
            30_000,
            "size 5\" \\ 'wide'",
            1.0,
            1,
        ),
        ("Crème Brûlée Cooking", "books", 20_00, "white", 1.0, 2),
    ];
    for (title, category, minor, colour, persons, stock) in products {
        let product = pb::Product {
            category_id: category.to_owned(),
            price: Some(eur(minor)),
            attributes: Some(attributes(colour, persons)),
            description: format!("{title}: the perfect choice."),
            ..tent(title)
        };
        shop.create(product, stock).await.unwrap();
        shop.app.clock.advance(Duration::from_secs(1));
    }
}

async fn words_find_what_they_mean(shop: &Shop, subject: &impl Subject) {
    for (text, wanted) in [
        ("backpack", "Adventure Backpack"),
        ("BACKPACK", "Adventure Backpack"),
        ("backpa", "Adventure Backpack"),
        ("bakpack", "Adventure Backpack"),
        ("jaket", "Leather Jacket"),
        ("leathr jacket", "Leather Jacket"),
        ("expediton tent", "Summit Expedition Tent"),
        ("creme brulee", "Crème Brûlée Cooking"),
        ("books", "Crème Brûlée Cooking"),
    ] {
        let titles = titles(shop, subject, &query(text)).await;
        assert_eq!(
            titles.first().map(String::as_str),
            Some(wanted),
            "{text}: {titles:?}"
        );
    }
    for text in ["xylophone", "!!!", "🤷"] {
        assert!(
            titles(shop, subject, &query(text)).await.is_empty(),
            "{text}"
        );
    }
    let both = titles(shop, subject, &query("tent")).await;
    assert_eq!(both.len(), 2, "{both:?}");
    // No product has both words: the last one is given up.
    let fewer = titles(shop, subject, &query("backpack xylophone")).await;
    assert_eq!(fewer, ["Adventure Backpack"]);
    let all = subject.engine().search(&query("  ")).await.unwrap();
    assert_eq!((all.total, all.ids.len()), (5, 5));
}

async fn filters_must_all_hold(shop: &Shop, subject: &impl Subject) {
    let with = |filter: Filter| Query {
        filter,
        sort: Sort::PriceAsc,
        limit: 20,
        ..Query::default()
    };
    let eur = "EUR".parse().unwrap();
    let colour = |value: &str| ("colour".to_owned(), vec![value.to_owned()]);
    let cases = [
        (
            Filter {
                category_id: Some("outdoors".parse().unwrap()),
                ..Filter::default()
            },
            vec![
                "Adventure Backpack",
                "Forest Haven Tent",
                "Leather Jacket",
                "Summit Expedition Tent",
            ],
        ),
        (
            Filter {
                price: Some(PriceRange {
                    currency: eur,
                    min: Some(12_999),
                    max: Some(20_000),
                }),
                ..Filter::default()
            },
            vec!["Adventure Backpack", "Forest Haven Tent"],
        ),
        (
            Filter {
                price: Some(PriceRange {
                    currency: "USD".parse().unwrap(),
                    min: Some(1),
                    max: None,
                }),
                ..Filter::default()
            },
            vec![],
        ),
        (
            Filter {
                category_id: Some("tents".parse().unwrap()),
                in_stock_only: true,
                ..Filter::default()
            },
            vec!["Forest Haven Tent"],
        ),
        (
            Filter {
                attributes: vec![colour("green")],
                ..Filter::default()
            },
            vec!["Adventure Backpack", "Forest Haven Tent"],
        ),
        (
            Filter {
                attributes: vec![colour("size 5\" \\ 'wide'")],
                ..Filter::default()
            },
            vec!["Leather Jacket"],
        ),
        (
            Filter {
                attributes: vec![
                    (
                        "colour".to_owned(),
                        vec!["green".to_owned(), "red".to_owned()],
                    ),
                    ("persons".to_owned(), vec!["2".to_owned(), "3".to_owned()]),
                ],
                ..Filter::default()
            },
            vec!["Forest Haven Tent", "Summit Expedition Tent"],
        ),
    ];
    for (filter, wanted) in cases {
        let titles = titles(shop, subject, &with(filter.clone())).await;
        assert_eq!(titles, wanted, "{filter:?}");
    }
}

async fn results_are_sorted_paged_and_counted(shop: &Shop, subject: &impl Subject) {
    let sorted = |sort| Query {
        sort,
        limit: 20,
        ..Query::default()
    };
    let dear = titles(shop, subject, &sorted(Sort::PriceDesc)).await;
    assert_eq!(dear[..2], ["Summit Expedition Tent", "Leather Jacket"]);
    let cheap = titles(shop, subject, &sorted(Sort::PriceAsc)).await;
    assert!(cheap.iter().eq(dear.iter().rev()));
    let newest = titles(shop, subject, &sorted(Sort::Newest)).await;
    assert_eq!(newest[..2], ["Crème Brûlée Cooking", "Leather Jacket"]);
    let page = Query {
        offset: 2,
        limit: 2,
        ..sorted(Sort::PriceAsc)
    };
    assert_eq!(titles(shop, subject, &page).await, cheap[2..4]);

    let found = subject.engine().search(&query("perfect")).await.unwrap();
    assert_eq!(found.total, 5);
    let facet = |name: &str| {
        let facet = found
            .facets
            .iter()
            .find(|facet| facet.name == name)
            .unwrap();
        facet.values.clone()
    };
    assert_eq!(found.facets[0].name, "category_id");
    assert_eq!(
        facet("category_id"),
        [
            ("outdoors".to_owned(), 2),
            ("tents".to_owned(), 2),
            ("books".to_owned(), 1)
        ]
    );
    assert_eq!(facet("colour")[0], ("green".to_owned(), 2));
    assert_eq!(facet("persons")[0], ("1".to_owned(), 3));
}

async fn what_was_begun_is_completed(subject: &impl Subject) {
    let texts = async |prefix: &str| -> Vec<String> {
        let suggestions = subject.engine().suggest(prefix, 5).await.unwrap();
        suggestions
            .into_iter()
            .map(|suggestion| suggestion.text)
            .collect()
    };
    assert_eq!(texts("adv").await, ["Adventure Backpack"]);
    assert_eq!(texts("jack").await, ["Leather Jacket"]);
    assert_eq!(texts("creme").await, ["Crème Brûlée Cooking"]);
    assert_eq!(texts("tent").await.len(), 2);
    assert_eq!(texts("bakpack").await, ["Adventure Backpack"]);
    assert!(texts("").await.is_empty());
    assert!(texts("qqq").await.is_empty());
}

async fn changes_are_found(shop: &Shop, subject: &impl Subject) {
    let found = subject.engine().search(&query("jacket")).await.unwrap();
    let old = shop.get(&found.ids[0].to_string()).await.unwrap();
    let renamed = pb::Product {
        title: "Woollen Pullover".to_owned(),
        description: String::new(),
        ..old
    };
    shop.update(renamed, &["title", "description"])
        .await
        .unwrap();
    subject.catch_up(shop).await;
    assert_eq!(
        titles(shop, subject, &query("pullover")).await,
        ["Woollen Pullover"]
    );
    assert!(titles(shop, subject, &query("jacket")).await.is_empty());
}

async fn all_questions(shop: &Shop, subject: &impl Subject) {
    stock_up(shop).await;
    subject.catch_up(shop).await;
    words_find_what_they_mean(shop, subject).await;
    filters_must_all_hold(shop, subject).await;
    results_are_sorted_paged_and_counted(shop, subject).await;
    what_was_begun_is_completed(subject).await;
    changes_are_found(shop, subject).await;
}

async fn the_typo_finds_the_backpack(shop: &Shop, subject: &impl Subject) {
    subject.catch_up(shop).await;
    let top = titles(shop, subject, &query("expedition bakpack")).await;
    assert!(
        top.iter()
            .take(3)
            .any(|title| title == "Adventure-Ready Expedition Backpack"),
        "{top:?}"
    );
}

#[sqlx::test(migrations = false)]
async fn postgres_answers_all_questions(pool: PgPool) {
    let shop = Shop::open(pool).await;
    all_questions(&shop, &on_postgres(&shop)).await;
}

#[sqlx::test(migrations = false)]
async fn meilisearch_answers_all_questions(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let Some(subject) = on_meilisearch(&shop) else {
        return;
    };
    all_questions(&shop, &subject).await;
}

#[sqlx::test(migrations = false)]
async fn postgres_forgives_the_typo_among_2465_products(pool: PgPool) {
    let Some(shop) = retail_shop(pool).await else {
        return;
    };
    the_typo_finds_the_backpack(&shop, &on_postgres(&shop)).await;
}

#[sqlx::test(migrations = false)]
async fn meilisearch_forgives_the_typo_among_2465_products(pool: PgPool) {
    let Some(shop) = retail_shop(pool).await else {
        return;
    };
    let Some(subject) = on_meilisearch(&shop) else {
        return;
    };
    the_typo_finds_the_backpack(&shop, &subject).await;
}
