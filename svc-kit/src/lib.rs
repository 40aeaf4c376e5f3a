//! The chassis that every service stands on: it knows gRPC, Postgres, Redis,
//! JetStream and time, and no business rule.
//!
//! Read it in this order: [`run`] starts a process, [`server`] answers calls,
//! [`db`] keeps rows, [`outbox`] announces what happened, [`consumer`] hears of
//! it, [`job`] resumes what got stuck.

