//! What a caller hears of its limits: `ratelimit-policy` and `ratelimit`.
//! <https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-10.html>
//!
//! A policy tells a bucket as it is: how many may come at once, and in how many
//! seconds so many come anew. What is left is what this edge knows: others may
//! have used some of it since.

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;

use super::{bucket::Bucket, rate::Rate};

/// The header that tells what is allowed.
pub const RATELIMIT_POLICY: &str = "ratelimit-policy";
/// The header that tells what is left.
pub const RATELIMIT: &str = "ratelimit";

/// What one caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `ratelimit-policy`
    pub policy: HeaderValue,
    /// `ratelimit`
    pub left: HeaderValue,
}

/// Room for what two buckets have left.
const LEFT_BYTES: usize = 64;

/// The policy header for some buckets.
pub fn policy(buckets: &[(&str, Rate)]) -> Option<HeaderValue> {
    let mut text = String::new();
    for (name, rate) in buckets {
        let window = whole_seconds(Duration::from_micros(rate.capacity_us()));
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}\"{name}\";q={};w={window}", rate.burst());
    }
    HeaderValue::try_from(text).ok()
}

/// The header of what is left, for some buckets.
pub fn left<'a>(
    buckets: impl Iterator<Item = (&'a str, Rate, &'a Bucket)>,
    now_us: u64,
) -> Option<HeaderValue> {
    let mut text = String::with_capacity(LEFT_BYTES);
    for (name, rate, bucket) in buckets {
        let (left, wait) = bucket.left(rate, now_us);
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}\"{name}\";r={left};t={}", whole_seconds(wait));
    }
    HeaderValue::try_from(text).ok()
}

/// Whole seconds, and not too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
