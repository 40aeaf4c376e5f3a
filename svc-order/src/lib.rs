//! Carts and orders: what customers mean to buy, and what they have bought.
//!
//! Read it in this order: [`order`] is the noun with its rules, `place_order`
//! the most important verb, [`consumers`] what moves an order on, [`jobs`] what
//! resumes it when it got stuck. Calls go one way: `grpc`, `consumers` and
//! `jobs` call a use case, which calls `store`, `clients` and the nouns.

pub mod address;
pub mod app;
pub mod audit;
pub mod cart;
pub mod checkout;
pub mod clients;
pub mod config;
pub mod consumers;
pub mod error;
pub mod fraud;
pub mod grpc;
pub mod hub;
pub mod jobs;
pub mod metrics;
pub mod order;
pub mod placing;
pub mod product;
pub mod purchase;
pub mod review;
pub mod store;
pub mod watch;

pub mod announce_checkout;
pub mod cancel_order;
pub mod clear_cart;
pub mod compensate_checkout;
pub mod decide_review;
pub mod deliver_order;
pub mod find_review;
pub mod get_cart;
pub mod get_order;
pub mod list_audit_records;
pub mod list_orders;
pub mod list_reviews;
pub mod list_stuck_checkouts;
pub mod place_order;
pub mod retry_checkout;
pub mod return_order;
pub mod set_cart_item;
pub mod ship_order;
pub mod watch_cart;
pub mod watch_order;

/// The tables of this service.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
