//! The journeys of customers and staff through a real shop, one file each.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod browse_and_buy;
mod cancel_after_confirm;
mod change_a_price;
mod crash_points;
mod decline;
mod dependencies;
mod forge_a_token;
mod hot_item;
mod last_item;
mod look_at_anothers_order;
mod order_twice;
mod outages;
mod reach_the_closed;
mod trace_an_order;
