//! A value that can be replaced while requests are answered. Whoever loads it
//! keeps what was there until done with it.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

/// A value that can be replaced. Clones see the same one.
#[derive(Debug)]
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Live<T> {
    /// Holds `value` until another one takes its place.
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// What is there now. Costs a few nanoseconds.
    pub fn load(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// Puts another value in its place.
    pub fn store(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}
