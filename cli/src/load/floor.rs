//! The shop floor: everybody who comes, each as a task that starts at its time
//! whatever the others do. There is a most that are in at once; who comes
//! beyond it is counted as shed, never silently dropped and never made to wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use svc_kit::clock::Clock;

use super::arrivals::{Action, Arrival, cart_at};
use super::customers::{self, Customer};
use super::login::Login;
use super::record::{Asked, AskedReturn, Product};
use super::tally::Tally;
use super::visit;
use super::{Options, Shop};
use crate::wire::{self, PROTOCOLS, Protocol, Wire};

/// Those who are in at once, at most.
pub(super) const MAX_IN_FLIGHT: usize = 4_000;
/// Connections of those who only look.
const LOOKERS: usize = 8;

/// What all who come share.
pub(super) struct Floor {
    pub(super) products: Vec<Product>,
    pub(super) customers: Vec<Arc<Customer>>,
    pub(super) lookers: Vec<Wire>,
    pub(super) staff: Login,
    pub(super) tally: Tally,
    pub(super) clock: Clock,
    asked: Mutex<Vec<Asked>>,
    returns: Mutex<Vec<AskedReturn>>,
}

impl Floor {
    /// Registers the customers, and lets staff log in.
    pub(super) async fn open(shop: &Shop, options: &Options) -> anyhow::Result<Self> {
        let (url, ca_pem) = (shop.stack.edge_url(), shop.stack.ca_pem()?);
        // Both protocols, one after the other.
        let wires = |count: usize| -> anyhow::Result<Vec<Wire>> {
            (0..count)
                .map(|n| wire::connect(PROTOCOLS[n % PROTOCOLS.len()], &url, &ca_pem))
                .collect()
        };
        let staff = shop.stack.staff();
        let staff = Login::with_password(
            wire::connect(Protocol::Grpc, &url, &ca_pem)?,
            staff.email.clone(),
            staff.password.clone(),
        );
        Ok(Self {
            products: shop.products.clone(),
            customers: customers::register(wires(options.customers.max(1))?).await?,
            lookers: wires(LOOKERS)?,
            staff: staff.await.context("staff cannot log in")?,
            tally: Tally::default(),
            clock: Clock::system(),
            asked: Mutex::default(),
            returns: Mutex::default(),
        })
    }

    /// Notes how a request ended.
    pub(super) fn note(&self, asked: Asked) {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
    }

    /// Notes how a return ended.
    pub(super) fn note_return(&self, asked: AskedReturn) {
        self.returns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
    }

    /// What was asked for.
    pub(super) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was taken back.
    pub(super) fn take_returns(&self) -> Vec<AskedReturn> {
        std::mem::take(&mut *self.returns.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Lets everybody come at their time, and comes back when all have left.
///
/// # Errors
/// When one of them panicked: a fault in the load itself.
pub(super) async fn run(
    floor: &Arc<Floor>,
    schedule: Vec<Arrival>,
    began: Instant,
) -> anyhow::Result<()> {
    let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let mut inside = JoinSet::new();
    let mut starts: Vec<(Duration, Arrival)> = schedule
        .into_iter()
        .map(|arrival| (starts_at(&arrival), arrival))
        .collect();
    starts.sort_by_key(|(start, _)| *start);
    for (n, (start, arrival)) in starts.into_iter().enumerate() {
        sleep_until(began + start).await;
        floor.tally.count(|now| now.arrivals += 1);
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            floor.tally.count(|now| now.shed += 1);
            continue;
        };
        floor.tally.count(|now| now.in_flight += 1);
        let floor = Arc::clone(floor);
        inside.spawn(async move {
            visit::visit(&floor, n, arrival, began).await;
            floor.tally.count(|now| now.in_flight -= 1);
            drop(place);
        });
        while let Some(left) = inside.try_join_next() {
            left?;
        }
    }
    while let Some(left) = inside.join_next().await {
        left?;
    }
    Ok(())
}

/// Who orders by way of the cart comes earlier, to fill it.
fn starts_at(arrival: &Arrival) -> Duration {
    match &arrival.action {
        Action::Order(wish) if wish.of_cart => cart_at(arrival.at),
        _ => arrival.at,
    }
}
