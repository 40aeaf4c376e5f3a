//! Fetches under way: many who ask the same at once wait for one fetch. `K` is
//! a question, `O` is what a fetch brings.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::epochs::{Epoch, Epochs, Slot};

/// All fetches under way.
#[derive(Debug)]
pub struct Flights<K, O>(Arc<Mutex<Flying<K, O>>>);

impl<K, O> Clone for Flights<K, O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, O> Default for Flights<K, O> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Flying {
            flights: HashMap::new(),
            next_id: 0,
        })))
    }
}

#[derive(Debug)]
struct Flying<K, O> {
    flights: HashMap<K, Flight<O>>,
    next_id: u64,
}

#[derive(Debug)]
struct Flight<O> {
    id: u64,
    epoch: Epoch,
    slots: Box<[Slot]>,
    landed: watch::Receiver<Option<O>>,
}

/// A place in a fetch.
#[derive(Debug)]
pub enum Seat<K: Hash + Eq, O> {
    /// Fetch, then land; whoever waits hears of it.
    Pilot(Landing<K, O>, Waiter<O>),
    /// Somebody else fetches.
    Passenger(Waiter<O>),
}

impl<K: Hash + Eq + Clone, O: Clone> Flights<K, O> {
    /// Joins a fetch, or begins one when there is none or a tag was purged
    /// since it began.
    pub fn board(&self, key: &K, slots: &[Slot], epochs: &Epochs) -> Seat<K, O> {
        let mut flying = self.lock();
        if let Some(flight) = flying.flights.get(key)
            && epochs.is_current(flight.epoch, &flight.slots)
        {
            return Seat::Passenger(Waiter(flight.landed.clone()));
        }
        let (landing, waiter) = self.take_off(&mut flying, key, slots, epochs);
        Seat::Pilot(landing, waiter)
    }

    /// Begins a fetch, whoever else fetches: the answer must not be older than
    /// the question. Others may join it.
    pub fn begin(&self, key: &K, slots: &[Slot], epochs: &Epochs) -> (Landing<K, O>, Waiter<O>) {
        self.take_off(&mut self.lock(), key, slots, epochs)
    }

    fn take_off(
        &self,
        flying: &mut Flying<K, O>,
        key: &K,
        slots: &[Slot],
        epochs: &Epochs,
    ) -> (Landing<K, O>, Waiter<O>) {
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
        (landing, Waiter(landed))
    }
}

impl<K, O> Flights<K, O> {
    fn lock(&self) -> MutexGuard<'_, Flying<K, O>> {
        // Each change is one insert or remove: nothing is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to end a fetch. Dropped without an outcome, it leaves the waiting
/// with none.
#[derive(Debug)]
pub struct Landing<K: Hash + Eq, O> {
    flights: Flights<K, O>,
    key: K,
    id: u64,
    epoch: Epoch,
    land: watch::Sender<Option<O>>,
}

impl<K: Hash + Eq, O> Landing<K, O> {
    /// When the fetch began, in the order of purges.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The question.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Tells everybody who waits. Until the landing is dropped, those who come
    /// later join this fetch.
    pub fn announce(&self, outcome: O) {
        self.land.send_replace(Some(outcome));
    }

    /// Ends the fetch, and tells everybody who waits: in this order, so that
    /// nobody who has heard of it can join it.
    pub fn land(self, outcome: O) {
        self.leave();
        self.announce(outcome);
    }

    fn leave(&self) {
        let mut flying = self.flights.lock();
        let ours = flying.flights.get(&self.key).map(|flight| flight.id) == Some(self.id);
        if ours {
            flying.flights.remove(&self.key);
        }
    }
}

impl<K: Hash + Eq, O> Drop for Landing<K, O> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Somebody who waits for a fetch.
#[derive(Debug)]
pub struct Waiter<O>(watch::Receiver<Option<O>>);

impl<O: Clone> Waiter<O> {
    /// What the fetch brought; `None` when it died.
    pub async fn outcome(mut self) -> Option<O> {
        self.0
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|outcome| outcome.clone())
    }
}
