//! Tells the watchers of a topic that it changed. It carries no content: who
//! is woken reads again, so a slow watcher gets the newest and skips the rest.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The process stops; nobody will be told anything any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubClosed;

/// Topics and who watches them. Cheap to clone; clones share their watchers.
pub struct Hub<K: Eq + Hash + Clone>(Arc<Mutex<State<K>>>);

struct State<K> {
    topics: HashMap<K, watch::Sender<()>>,
    closed: bool,
}

impl<K: Eq + Hash + Clone> Hub<K> {
    /// A hub that nobody watches.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            topics: HashMap::new(),
            closed: false,
        })))
    }

    /// Watches a topic from now on.
    ///
    /// # Errors
    /// [`HubClosed`] when the process stops.
    pub fn subscribe(&self, topic: K) -> Result<Subscription<K>, HubClosed> {
        let mut state = self.state();
        if state.closed {
            return Err(HubClosed);
        }
        let changed = state
            .topics
            .entry(topic.clone())
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe();
        Ok(Subscription {
            hub: self.clone(),
            topic,
            changed,
        })
    }

    /// Wakes the watchers of a topic.
    pub fn changed(&self, topic: &K) {
        if let Some(sender) = self.state().topics.get(topic) {
            sender.send_replace(());
        }
    }

    /// Wakes everybody: changes may have gone unheard.
    pub fn all_changed(&self) {
        for sender in self.state().topics.values() {
            sender.send_replace(());
        }
    }

    /// Ends all watches, and refuses new ones.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.topics.clear();
    }

    /// How many topics are watched.
    pub fn topics(&self) -> usize {
        self.state().topics.len()
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        // Each change under the lock is complete by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> Default for Hub<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq + Hash + Clone> Clone for Hub<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// One watcher of one topic.
pub struct Subscription<K: Eq + Hash + Clone> {
    hub: Hub<K>,
    topic: K,
    changed: watch::Receiver<()>,
}

impl<K: Eq + Hash + Clone> Subscription<K> {
    /// Waits until the topic changed since the last time.
    ///
    /// # Errors
    /// [`HubClosed`] when the process stops.
    pub async fn changed(&mut self) -> Result<(), HubClosed> {
        self.changed.changed().await.map_err(|_| HubClosed)
    }
}

impl<K: Eq + Hash + Clone> Drop for Subscription<K> {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        // This receiver still counts: with one left, it is the last.
        if state
            .topics
            .get(&self.topic)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            state.topics.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn only_the_topic_that_changed_wakes_its_watchers_and_only_once() {
        let hub = Hub::new();
        let (mut one, mut two) = (hub.subscribe(1).unwrap(), hub.subscribe(2).unwrap());
        hub.changed(&1);
        hub.changed(&1);
        assert_eq!(one.changed().now_or_never(), Some(Ok(())));
        assert_eq!(one.changed().now_or_never(), None);
        assert_eq!(two.changed().now_or_never(), None);
        hub.all_changed();
        assert_eq!(two.changed().now_or_never(), Some(Ok(())));
    }

    #[test]
    fn a_topic_without_watchers_is_forgotten() {
        let hub = Hub::new();
        let (one, two) = (hub.subscribe(1).unwrap(), hub.subscribe(1).unwrap());
        drop(one);
        assert_eq!(hub.topics(), 1);
        drop(two);
        assert_eq!(hub.topics(), 0);
    }

    #[test]
    fn closing_ends_all_watches() {
        let hub = Hub::new();
        let mut one = hub.subscribe(1).unwrap();
        hub.close();
        assert_eq!(one.changed().now_or_never(), Some(Err(HubClosed)));
        assert!(hub.subscribe(1).is_err());
    }
}
