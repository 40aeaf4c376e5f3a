//! The catalog on a real database and a real Redis: a file for each verb.
#![expect(clippy::unwrap_used, reason = "tests")]

mod adjust_stock;
mod batch_get_products;
mod cache;
mod categories;
mod create_product;
mod data;
mod harness;
mod import_products;
mod list_products;
mod meilisearch_wire;
mod naughty_strings;
mod reservations;
mod restock;
mod search_engines;
mod search_products;
mod update_product;
