//! svc-order on a real Postgres and a real Redis, with a small svc-catalog
//! beside it; one file for each verb.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod support;

mod cancel_order;
mod clear_cart;
mod deliver_order;
mod fraud;
mod get_cart;
mod get_order;
mod grpc;
mod list_audit_records;
mod list_orders;
mod payment_captured;
mod payment_failed;
mod payment_refunded;
mod place_order;
mod place_order_of_cart;
mod purchase_limits;
mod reservation_overdue;
mod resume_checkouts;
mod return_order;
mod reviews;
mod set_cart_item;
mod ship_order;
mod stock_rejected;
mod stock_reserved;
mod stuck_checkouts;
mod watch_cart;
mod watch_order;
