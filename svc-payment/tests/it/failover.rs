use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use proto::souk::event::v1::PaymentRequested;
use sqlx::PgPool;
use svc_kit::money::Money;
use svc_payment::{
    payment::{PaymentId, PaymentToken, Status},
    provider::{
        BREAKER_PAUSE, BREAKER_TRIPS_AFTER, Charged, FoundCharge, FoundRefund, Provider,
        ProviderName, Providers, Refunded,
    },
    refund::RefundId,
};

use crate::harness::{Harness, receipt};

/// How a provider behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// It does nothing and does not answer.
    Away,
    /// It does what it is asked, and no answer arrives.
    Mute,
}

/// A provider whose records are its own, so that a test sees who was charged
/// where.
struct Memory {
    name: ProviderName,
    records: Mutex<Records>,
}

struct Records {
    mood: Mood,
    charges: HashSet<PaymentId>,
    refunds: HashSet<RefundId>,
}

impl Memory {
    fn new(name: ProviderName, mood: Mood) -> Arc<Self> {
        Arc::new(Self {
            name,
            records: Mutex::new(Records {
                mood,
                charges: HashSet::new(),
                refunds: HashSet::new(),
            }),
        })
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    fn has(&self, request: &PaymentRequested) -> bool {
        let id = request.payment_id.parse().unwrap();
        self.records().charges.contains(&id)
    }
}

#[async_trait]
impl Provider for Memory {
    fn name(&self) -> ProviderName {
        self.name
    }

    async fn charge(&self, id: PaymentId, _amount: Money, _token: &PaymentToken) -> Charged {
        let mut records = self.records();
        if records.mood == Mood::Away {
            return Charged::Unknown;
        }
        records.charges.insert(id);
        match records.mood {
            Mood::Well => Charged::Captured(receipt()),
            _ => Charged::Unknown,
        }
    }

    async fn look_up(&self, id: PaymentId) -> FoundCharge {
        let records = self.records();
        match records.mood {
            Mood::Well if records.charges.contains(&id) => FoundCharge::Captured(receipt()),
            Mood::Well => FoundCharge::NotFound,
            _ => FoundCharge::Unknown,
        }
    }

    async fn refund(&self, id: RefundId, payment_id: PaymentId, _amount: Money) -> Refunded {
        let mut records = self.records();
        if !records.charges.contains(&payment_id) {
            return Refunded::Refused;
        }
        records.refunds.insert(id);
        Refunded::Refunded
    }

    async fn look_up_refund(&self, id: RefundId) -> FoundRefund {
        if self.records().refunds.contains(&id) {
            FoundRefund::Refunded
        } else {
            FoundRefund::NotFound
        }
    }
}

struct Two {
    shop: Harness,
    first: Arc<Memory>,
    second: Arc<Memory>,
}

/// A shop with a provider in this mood, and another that is well.
async fn two(pool: PgPool, mood: Mood) -> Two {
    let first = Memory::new(ProviderName::Stripe, mood);
    let second = Memory::new(ProviderName::Sandbox, Mood::Well);
    let providers = Providers::new(first.clone(), Some(second.clone()));
    let shop = Harness::with_providers(pool, |_, _| providers).await;
    Two {
        shop,
        first,
        second,
    }
}

impl Two {
    /// As many requests as open the breaker, each tried once.
    async fn opened(&self) -> Vec<PaymentRequested> {
        let mut stuck = Vec::new();
        for _ in 0..BREAKER_TRIPS_AFTER {
            stuck.push(self.shop.requested("tok_ok").await);
        }
        self.shop.drain().await;
        stuck
    }
}

#[sqlx::test(migrations = false)]
async fn new_charges_go_to_the_fallback_while_the_provider_is_away(pool: PgPool) {
    let two = two(pool, Mood::Away).await;
    let stuck = two.opened().await;
    for request in &stuck {
        assert_eq!(two.shop.status(request).await, Status::Requested);
    }

    let next = two.shop.requested("tok_ok").await;
    two.shop.drain().await;
    assert_eq!(two.shop.status(&next).await, Status::Captured);
    assert!(two.second.has(&next) && !two.first.has(&next));

    // Whatever may have reached the first is asked of it alone.
    two.shop.settle().await;
    for request in &stuck {
        assert_eq!(two.shop.status(request).await, Status::Requested);
        assert!(!two.second.has(request));
    }

    two.first.records().mood = Mood::Well;
    two.shop.settle().await;
    for request in &stuck {
        assert_eq!(two.shop.status(request).await, Status::Captured);
        assert!(two.first.has(request) && !two.second.has(request));
    }
    // It has answered: it is given new charges again.
    let last = two.shop.requested("tok_ok").await;
    two.shop.drain().await;
    assert!(two.first.has(&last) && !two.second.has(&last));
}

#[sqlx::test(migrations = false)]
async fn a_charge_whose_answer_was_lost_is_never_made_at_the_other_provider(pool: PgPool) {
    let two = two(pool, Mood::Mute).await;
    let stuck = two.opened().await;
    two.shop.settle().await;
    for request in &stuck {
        assert!(two.first.has(request) && !two.second.has(request));
        assert_eq!(two.shop.status(request).await, Status::Requested);
    }

    two.first.records().mood = Mood::Well;
    two.shop.settle().await;
    for request in &stuck {
        assert_eq!(two.shop.status(request).await, Status::Captured);
        assert!(!two.second.has(request));
    }
}

#[sqlx::test(migrations = false)]
async fn a_refund_goes_where_its_payment_was_charged(pool: PgPool) {
    let two = two(pool, Mood::Away).await;
    two.opened().await;
    let request = two.shop.requested("tok_ok").await;
    two.shop.drain().await;
    two.first.records().mood = Mood::Well;

    two.shop.hear_cancelled(&request).await.unwrap();
    two.shop.settle().await;

    assert_eq!(two.shop.status(&request).await, Status::Refunded);
    assert_eq!(two.second.records().refunds.len(), 1);
    assert_eq!(two.first.records().refunds.len(), 0);
}

#[sqlx::test(migrations = false)]
async fn what_lies_with_a_provider_that_is_not_configured_stays_unknown(pool: PgPool) {
    let two = two(pool, Mood::Mute).await;
    let request = two.shop.requested("tok_ok").await;
    two.shop.drain().await;

    let without = Harness {
        app: svc_payment::app::App::new(
            two.shop.app.db.clone(),
            Providers::new(two.second.clone(), None),
            two.shop.clock.clone(),
        ),
        ..two.shop.clone()
    };
    without.settle().await;

    assert_eq!(without.status(&request).await, Status::Requested);
    assert!(!two.second.has(&request));
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_one_new_charge_tries_the_provider_again() {
    let first = Memory::new(ProviderName::Stripe, Mood::Away);
    let second = Memory::new(ProviderName::Sandbox, Mood::Well);
    let providers = Providers::new(first, Some(second));
    let stripe = providers.get(ProviderName::Stripe).unwrap();
    let asked = async |answer| stripe.answer("look_up", async { answer }).await;

    for _ in 0..BREAKER_TRIPS_AFTER {
        assert_eq!(providers.for_new_charge(), ProviderName::Stripe);
        asked(FoundCharge::Unknown).await;
    }
    assert_eq!(providers.for_new_charge(), ProviderName::Sandbox);

    tokio::time::advance(BREAKER_PAUSE + Duration::from_secs(1)).await;
    assert_eq!(providers.for_new_charge(), ProviderName::Stripe);
    assert_eq!(providers.for_new_charge(), ProviderName::Sandbox);

    asked(FoundCharge::NotFound).await;
    assert_eq!(providers.for_new_charge(), ProviderName::Stripe);
}
