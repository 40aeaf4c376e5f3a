//! Plain HTTP as a cache that many share keeps it.
//! <https://www.rfc-editor.org/rfc/rfc9111>
//!
//! [`through`] answers a request. [`pages`] decides, by what [`directives`],
//! [`freshness`], [`admission`], [`vary`] and [`validators`] read; [`entry`] and
//! [`page`] are what is kept, each with a [`body`], under a [`url`] and
//! [`tags`]. [`fill`] brings what
//! is not: [`fetch`] asks the origin, [`tape`] lets many read what arrives, as
//! far as there is [`room`](crate::cache::room), [`serve`] writes it.
//!
//! It must never keep what the origin says is for one person, nor serve
//! anything that was asked for before a purge of one of its tags.

pub mod admission;
pub mod body;
pub mod date;
pub mod directives;
pub mod entry;
pub mod fetch;
pub mod fill;
pub mod freshness;
pub mod page;
pub mod pages;
pub mod range;
pub mod serve;
pub mod status;
pub mod tags;
pub mod tape;
pub mod through;
pub mod url;
pub mod validators;
pub mod vary;

#[cfg(test)]
mod tests;
