//! svc-catalog: products, categories, prices, stock and search.
//!
//! Read it in this order: the nouns [`product`], [`category`], [`stock`] and
//! [`reservation`] with their rules; the verbs, a file each, which are the
//! transactions; [`cache`] and [`search`], which are how it is quick; and
//! [`process`], which is all of it running.

// The nouns.
pub mod attributes;
pub mod category;
pub mod product;
pub mod reservation;
pub mod shelf;
pub mod stock;
pub mod violation;

// The verbs that callers use …
pub mod adjust_stock;
pub mod batch_get_products;
pub mod create_category;
pub mod create_product;
pub mod get_product;
pub mod get_stock;
pub mod import_products;
pub mod list_categories;
pub mod list_products;
pub mod search_products;
pub mod suggest_products;
pub mod update_product;

// … and those that events and time set off.
pub mod chase_reservations;
pub mod commit_stock;
pub mod release_stock;
pub mod repair_cache;
pub mod reserve_stock;
pub mod restock;

// What they share.
pub mod announce;
pub mod cache;
pub mod change_stock;
pub mod error;
pub mod search;
pub mod store;

// The way in, and the frame.
pub mod app;
pub mod config;
pub mod consumers;
pub mod grpc;
pub mod jobs;
pub mod process;

/// The tables of this service.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
