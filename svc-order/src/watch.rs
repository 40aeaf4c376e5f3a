//! How many streams are open, and the loop that feeds one: read, send what is
//! news, wait until something changed.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, stream};
use svc_kit::id::AccountId;
use tokio::time::{Instant, timeout_at};

use crate::{error::Error, hub::Subscription, metrics};

/// How often a stream reads again although nothing was told: a safety net.
pub(crate) const READ_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// How long one stream lasts; an access token does not live longer either.
pub(crate) const LIFETIME: Duration = Duration::from_mins(15);

/// How many streams may be open in this process.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// Of all accounts together.
    pub total: usize,
    /// Of one account.
    pub per_account: usize,
}

/// Too many streams are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many watches are open")]
pub struct TooManyWatchers;

/// Counts open streams. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Watchers {
    limits: WatchLimits,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_account: HashMap<AccountId, usize>,
}

impl Watchers {
    /// None are open yet.
    pub fn new(limits: WatchLimits) -> Self {
        Self {
            limits,
            open: Arc::default(),
        }
    }

    /// One more for an account, until the guard is dropped.
    pub(crate) fn enter(&self, account: AccountId) -> Result<Watcher, TooManyWatchers> {
        let mut open = self.open();
        let own = open.by_account.get(&account).copied().unwrap_or(0);
        if open.total >= self.limits.total || own >= self.limits.per_account {
            return Err(TooManyWatchers);
        }
        open.total += 1;
        metrics::WATCHES.with_label_values::<&str>(&[]).inc();
        open.by_account.insert(account, own + 1);
        Ok(Watcher {
            watchers: self.clone(),
            account,
        })
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open().total
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Each change under the lock is complete by itself.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open stream.
pub(crate) struct Watcher {
    watchers: Watchers,
    account: AccountId,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut open = self.watchers.open();
        open.total = open.total.saturating_sub(1);
        metrics::WATCHES.with_label_values::<&str>(&[]).dec();
        match open.by_account.get_mut(&self.account) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                open.by_account.remove(&self.account);
            }
        }
    }
}

/// What one read found.
pub(crate) struct Seen<T> {
    /// What is there.
    pub(crate) value: T,
    /// By which news are told from what was sent before.
    pub(crate) version: i64,
    /// Nothing will come after it.
    pub(crate) last: bool,
}

struct Feed<K: Eq + Hash + Clone, R> {
    subscription: Subscription<K>,
    read: R,
    sent: Option<i64>,
    ended: bool,
    until: Instant,
    _watcher: Watcher,
}

/// Sends what `read` finds: at once, and again whenever there is news. `read`
/// is told the version that was sent last, and answers `None` if that is still
/// the one. The stream goes at the caller's pace.
pub(crate) fn feed<K, T, R, F>(
    watcher: Watcher,
    subscription: Subscription<K>,
    read: R,
) -> impl Stream<Item = Result<T, Error>> + Send + 'static
where
    K: Eq + Hash + Clone + Send + 'static,
    T: Send + 'static,
    R: FnMut(Option<i64>) -> F + Send + 'static,
    F: Future<Output = Result<Option<Seen<T>>, Error>> + Send,
{
    let until = Instant::now() + LIFETIME;
    let feed = Feed {
        subscription,
        read,
        sent: None,
        ended: false,
        until,
        _watcher: watcher,
    };
    stream::unfold(feed, |mut feed| async move {
        if feed.ended {
            return None;
        }
        let next = next(&mut feed).await;
        feed.ended |= next.is_err();
        Some((next, feed))
    })
}

async fn next<K, T, R, F>(feed: &mut Feed<K, R>) -> Result<T, Error>
where
    K: Eq + Hash + Clone,
    R: FnMut(Option<i64>) -> F,
    F: Future<Output = Result<Option<Seen<T>>, Error>>,
{
    let mut first = feed.sent.is_none();
    loop {
        if !std::mem::take(&mut first) {
            let wake = (Instant::now() + READ_AGAIN_AFTER).min(feed.until);
            // Told or not: it is read again.
            if let Ok(told) = timeout_at(wake, feed.subscription.changed()).await {
                told?;
            } else if Instant::now() >= feed.until {
                return Err(Error::WatchEnded);
            }
        }
        if let Some(seen) = (feed.read)(feed.sent).await? {
            feed.sent = Some(seen.version);
            feed.ended = seen.last;
            return Ok(seen.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use futures::{FutureExt as _, StreamExt as _};
    use uuid::Uuid;

    use super::*;
    use crate::hub::Hub;

    const ACCOUNT: AccountId = AccountId(Uuid::nil());

    fn watchers() -> Watchers {
        Watchers::new(WatchLimits {
            total: 3,
            per_account: 2,
        })
    }

    #[test]
    fn an_account_watches_so_much_and_all_so_much_more() {
        let (watchers, other) = (watchers(), AccountId(Uuid::max()));
        let held = [
            watchers.enter(ACCOUNT).unwrap(),
            watchers.enter(ACCOUNT).unwrap(),
        ];
        assert!(watchers.enter(ACCOUNT).is_err());
        let _third = watchers.enter(other).unwrap();
        assert!(watchers.enter(other).is_err());
        drop(held);
        assert_eq!(watchers.count(), 1);
        assert!(watchers.enter(ACCOUNT).is_ok());
    }

    type Read = Result<Option<Seen<i64>>, Error>;

    fn reader(
        state: &Arc<AtomicI64>,
        last: i64,
    ) -> impl FnMut(Option<i64>) -> futures::future::Ready<Read> + use<> {
        let state = Arc::clone(state);
        move |sent| {
            let version = state.load(Ordering::SeqCst);
            let seen = Seen {
                value: version,
                version,
                last: version == last,
            };
            futures::future::ready(Ok((sent != Some(version)).then_some(seen)))
        }
    }

    #[tokio::test]
    async fn a_slow_watcher_gets_the_newest_and_then_the_end() {
        let (hub, state) = (Hub::new(), Arc::new(AtomicI64::new(1)));
        let watcher = watchers().enter(ACCOUNT).unwrap();
        let mut stream = Box::pin(feed(watcher, hub.subscribe(1).unwrap(), reader(&state, 9)));
        assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        for version in [2, 3, 9] {
            state.store(version, Ordering::SeqCst);
            hub.changed(&1);
        }
        assert_eq!(stream.next().await.unwrap().unwrap(), 9);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_told_is_found_by_reading_again() {
        let (hub, state) = (Hub::new(), Arc::new(AtomicI64::new(1)));
        let watcher = watchers().enter(ACCOUNT).unwrap();
        let mut stream = Box::pin(feed(watcher, hub.subscribe(1).unwrap(), reader(&state, 9)));
        stream.next().await.unwrap().unwrap();
        assert!(stream.next().now_or_never().is_none());
        state.store(2, Ordering::SeqCst);
        assert_eq!(stream.next().await.unwrap().unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_does_not_last_for_ever() {
        let (hub, state) = (Hub::new(), Arc::new(AtomicI64::new(1)));
        let watcher = watchers().enter(ACCOUNT).unwrap();
        let mut stream = Box::pin(feed(watcher, hub.subscribe(1).unwrap(), reader(&state, 9)));
        stream.next().await.unwrap().unwrap();
        assert!(matches!(
            stream.next().await.unwrap(),
            Err(Error::WatchEnded)
        ));
        assert!(stream.next().await.is_none());
    }
}
