//! Fetches under way: many who ask the same at once wait for one fetch.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    entry::Entry,
    epochs::{Epoch, Epochs, Slot},
    key::Key,
};
use crate::{origin::Reply, refusal::Refusal};

/// What a fetch brought.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// An answer; whether it was kept.
    Answer(Arc<Entry>, bool),
    /// The service's own error.
    Error(Reply),
    /// No answer.
    Failed(Refusal),
}

/// All fetches under way.
#[derive(Debug, Clone, Default)]
pub struct Flights(Arc<Mutex<Flying>>);

#[derive(Debug, Default)]
struct Flying {
    flights: HashMap<Key, Flight>,
    next_id: u64,
}

#[derive(Debug)]
struct Flight {
    id: u64,
    epoch: Epoch,
    slots: Box<[Slot]>,
    landed: watch::Receiver<Option<Outcome>>,
}

/// A place in a fetch.
#[derive(Debug)]
pub enum Seat {
    /// Fetch, then land; whoever waits hears of it.
    Pilot(Landing, Waiter),
    /// Somebody else fetches.
    Passenger(Waiter),
}

impl Flights {
    /// Joins a fetch, or begins one when there is none or a tag was purged
    /// since it began.
    pub fn board(&self, key: &Key, slots: &[Slot], epochs: &Epochs) -> Seat {
        let mut flying = self.lock();
        if let Some(flight) = flying.flights.get(key)
            && epochs.is_current(flight.epoch, &flight.slots)
        {
            return Seat::Passenger(Waiter(flight.landed.clone()));
        }
        let (land, landed) = watch::channel(None);
        let id = flying.next_id;
        flying.next_id += 1;
        let epoch = epochs.now();
        flying.flights.insert(
            key.clone(),
            Flight {
                id,
                epoch,
                slots: slots.into(),
                landed: landed.clone(),
            },
        );
        let landing = Landing {
            flights: self.clone(),
            key: key.clone(),
            id,
            epoch,
            land,
        };
        Seat::Pilot(landing, Waiter(landed))
    }

    fn lock(&self) -> MutexGuard<'_, Flying> {
        // Each change is one insert or remove: nothing is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to end a fetch. Dropped without an outcome, it leaves the waiting
/// with a failure.
#[derive(Debug)]
pub struct Landing {
    flights: Flights,
    key: Key,
    id: u64,
    epoch: Epoch,
    land: watch::Sender<Option<Outcome>>,
}

impl Landing {
    /// When the fetch began, in the order of purges.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The question.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Tells everybody who waits.
    pub fn land(self, outcome: Outcome) {
        self.land.send_replace(Some(outcome));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flying = self.flights.lock();
        let ours = flying.flights.get(&self.key).map(|flight| flight.id) == Some(self.id);
        if ours {
            flying.flights.remove(&self.key);
        }
    }
}

/// Somebody who waits for a fetch.
#[derive(Debug)]
pub struct Waiter(watch::Receiver<Option<Outcome>>);

impl Waiter {
    /// What the fetch brought.
    pub async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome
                .clone()
                .unwrap_or(Outcome::Failed(Refusal::Internal)),
            Err(_) => Outcome::Failed(Refusal::Internal),
        }
    }
}
