//! Calls to neighbours. Never made while a transaction is open.

pub mod catalog;
