//! A shop that is paid by Stripe.

mod amounts;
mod charges;
mod holds;
mod refunds;
mod searches;

use std::sync::Arc;

use proto::souk::event::v1::PaymentRequested;
use serde_json::Value;
use sqlx::PgPool;
use svc_payment::{
    ledger::Account,
    provider::{
        Provider, Providers,
        stripe::{Stripe, StripeConfig},
    },
};

use crate::{harness::Harness, stripe_server::StripeServer};

/// Cards of Stripe's for tests.
pub(crate) const GOOD: &str = "pm_card_visa";
const DECLINED: &str = "pm_card_chargeCustomerFail";

const CAPTURED: &str = "souk.payment.captured.v1";
const REFUNDED: &str = "souk.payment.refunded.v1";

/// What a captured payment leaves in the ledger, and what a refunded one does.
const SOLD: [(Account, i64); 2] = [(Account::CashAtProvider, 42_00), (Account::Revenue, -42_00)];
const GIVEN_BACK: [(Account, i64); 2] = [(Account::Refunds, 42_00), (Account::Revenue, -42_00)];

/// A shop that is paid by Stripe.
pub(crate) async fn shop(pool: PgPool, config: &StripeConfig) -> Harness {
    let config = config.clone();
    Harness::with_providers(pool, move |db, _| Providers::from(stripe(&config, db))).await
}

fn stripe(config: &StripeConfig, db: &svc_kit::db::Db) -> Arc<dyn Provider> {
    Arc::new(Stripe::new(config, db.clone()).unwrap())
}

/// A payment's intents at Stripe.
async fn intents(server: &StripeServer, request: &PaymentRequested) -> Vec<Value> {
    let mut all = server.list("payment_intents").await;
    all.retain(|intent| intent["metadata"]["payment_id"] == request.payment_id.as_str());
    all
}

pub(crate) async fn only_intent(server: &StripeServer, request: &PaymentRequested) -> Value {
    let intents = intents(server, request).await;
    assert_eq!(intents.len(), 1, "{intents:?}");
    intents[0].clone()
}

async fn reference(shop: &Harness, request: &PaymentRequested) -> Option<String> {
    sqlx::query_scalar("SELECT provider_reference FROM payments WHERE id::text = $1")
        .bind(&request.payment_id)
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}
