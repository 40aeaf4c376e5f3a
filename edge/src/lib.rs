//! The edge: the one door to the shop. It knows routes, tokens, limits and
//! kept answers, and nothing of what the services do.
//!
//! Read it in this order: [`app`] builds and runs it, [`server`] listens,
//! [`proxy`] is a request's way through it. On that way [`route`] says where
//! it goes, [`limit`] how often ([`members`] how many edges share that),
//! [`guard`] who; [`read_through`] answers from
//! the [`cache`], and [`http_cache`] plain HTTP from the same; [`upstream`] knows
//! the services, [`site`] other origins; [`answer`] writes what the edge says by
//! itself; [`signals`] hears of changes; [`warm`] asks before callers do;
//! [`admin`] shows and purges what is kept; [`reload`] changes the
//! configuration, and [`handover`] the process.

pub mod access_log;
pub mod address;
pub mod admin;
pub mod answer;
pub mod app;
pub mod body;
pub mod bounds;
pub mod cache;
pub mod config;
pub mod config_file;
pub mod connection;
pub mod connections;
pub mod context;
pub mod cors;
pub mod deadline;
pub mod failure;
pub mod foreign_log;
mod forward;
pub mod frame;
pub mod framing;
pub mod gather;
pub mod guard;
pub mod handover;
pub mod headers;
pub mod hello;
pub mod http_cache;
pub mod limit;
pub mod live;
pub mod members;
pub mod metrics;
pub mod origin;
pub mod places;
pub mod protocol;
pub mod proxy;
pub mod question;
pub mod read_through;
pub mod refusal;
pub mod reload;
pub mod revocation;
pub mod route;
pub mod server;
pub mod short_way;
pub mod signals;
pub mod site;
pub mod sockets;
pub mod streams;
pub mod tls;
pub mod trace;
pub mod unary;
pub mod upstream;
pub mod warm;

pub use app::App;
pub use config::Config;
