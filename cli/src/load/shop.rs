//! The shop of a load: fresh, on ports of its own, without limits of rate, and
//! with the products that it will be asked for.

use std::fmt::Write as _;
use std::io;
use std::sync::{Mutex, PoisonError};

use anyhow::bail;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use svc_kit::clock::Clock;

use super::Options;
use super::books::Sources;
use super::record::Product;
use super::view::View;
use crate::import::{self, Currency, Format, Import, Source};
use crate::shop;
use crate::stack::{Stack, StackOptions};

/// Pieces of an ordinary product: more than any run takes.
const AMPLE: i64 = 10_000_000;
/// The one category.
const CATEGORY: &str = r#"{"id": "load", "title": "Load"}"#;
/// What products are called, with a number.
const WORDS: [&str; 8] = [
    "Tent", "Lantern", "Kettle", "Hammock", "Compass", "Rucksack", "Stove", "Blanket",
];
/// The price of a piece, in cents: from and below.
const PRICES: std::ops::Range<i64> = 500..20_000;

/// A shop to load.
#[derive(Debug)]
pub struct Shop {
    /// Its processes.
    pub stack: Stack,
    /// What is on sale.
    pub products: Vec<Product>,
    /// Its books.
    pub sources: Sources,
    /// Who ended by themselves.
    deaths: Mutex<Vec<String>>,
}

impl Shop {
    /// Opens a fresh one.
    ///
    /// # Errors
    /// When it does not start, or refuses its products.
    pub async fn open(options: &Options) -> anyhow::Result<Self> {
        let view = View::new(options.show);
        view.say(&format!("a shop opens in {}", options.dir.display()));
        let stack = StackOptions {
            durable: options.durable,
            binaries: options.binaries.clone(),
            extra_env: options.env.clone(),
            ..StackOptions::for_tests(&options.dir)
        };
        let stack = Stack::start(without_limits(stack)).await?;
        let products = products(options);
        put_on_sale(&stack, &products).await?;
        let sources = Sources::of(&stack).await?;
        view.say(&format!("{} products are on sale", products.len()));
        Ok(Self {
            stack,
            products,
            sources,
            deaths: Mutex::default(),
        })
    }

    /// Who ended by themselves so far.
    pub(super) fn deaths(&self) -> Vec<String> {
        self.deaths
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes that somebody has.
    pub(super) fn note_death(&self, story: &str) {
        self.deaths
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(story.to_owned());
    }
}

/// All customers of a load come from one address.
fn without_limits(options: StackOptions) -> StackOptions {
    ["READ", "WRITE", "SEARCH", "AUTH"]
        .iter()
        .fold(options, |options, class| {
            options.env(format!("SOUK_EDGE_RATE_{class}_PER_MINUTE"), "0")
        })
}

fn products(options: &Options) -> Vec<Product> {
    let clock = Clock::system();
    let mut draw = StdRng::seed_from_u64(options.seed);
    let mut product = |n: usize, stock: i64, hot: bool| Product {
        id: svc_kit::id::generate(&clock),
        title: format!("{} {n}", WORDS[n % WORDS.len()]),
        price_minor: draw.random_range(PRICES),
        stock,
        hot,
    };
    let mut all: Vec<Product> = (1..=options.products.max(1))
        .map(|n| product(n, AMPLE, false))
        .collect();
    if let Some(stock) = options.hot_stock {
        all.push(product(0, i64::from(stock), true));
    }
    all
}

async fn put_on_sale(stack: &Stack, products: &[Product]) -> anyhow::Result<()> {
    let channel = shop::connect(&stack.edge_url(), Some(&stack.ca_pem()?)).await?;
    let staff = stack.staff();
    let token = shop::log_in(channel.clone(), &staff.email, &staff.password).await?;
    import::create_categories(channel.clone(), &token, CATEGORY.as_bytes()).await?;
    let mut lines = String::new();
    for (n, product) in products.iter().enumerate() {
        let row = json!({
            "id": product.id.to_string(),
            "sku": format!("LOAD-{n}"),
            "name": product.title,
            "category": "load",
            "price": format!("{}.{:02}", product.price_minor / 100, product.price_minor % 100),
            "currency": "USD",
            "stock": product.stock,
        });
        writeln!(lines, "{row}")?;
    }
    let import = Import {
        channel,
        token: shop::bearer(&token)?,
        currency: Currency::default(),
    };
    let source = Source {
        reader: Box::new(io::Cursor::new(lines)),
        format: Format::Jsonl,
    };
    let report = import.run(source, |_| {}).await?;
    if let Some(bad) = report.bad.first() {
        bail!("the shop refuses a product: {bad}");
    }
    if report.created != products.len() as u64 {
        bail!("the shop was not empty");
    }
    Ok(())
}
