//! The cache by itself, with a clock that stands still.

use std::{
    pin::pin,
    sync::atomic::AtomicUsize,
    task::{Context, Wake, Waker},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use chrono::DateTime;
use proptest::prelude::*;
use prost::{Message as _, encoding};
use proto::{
    policy::{METHODS, MethodPolicy},
    souk::catalog::v1::{AttributeFilter, GetProductRequest, SearchFilter, SearchProductsRequest},
};

use super::{
    entry::{Entry, Lifetime},
    epochs::{Epochs, slot},
    flight::{Flights, Seat},
    key::Key,
    list::What,
    *,
};

const LIFETIME: Lifetime = Lifetime {
    ttl: Duration::from_mins(1),
    stale_while_revalidate: Duration::from_secs(30),
    stale_if_error: Duration::from_mins(10),
};

fn policy(method: &str) -> &'static MethodPolicy {
    &METHODS[&format!("/souk.catalog.v1.CatalogService/{method}")]
}

fn key(id: &str) -> Key {
    let request = GetProductRequest { id: id.to_owned() };
    let bytes = Bytes::from(request.encode_to_vec());
    Key::of(policy("GetProduct"), &bytes).unwrap().0
}

fn cache() -> (Cache, Clock) {
    let clock = Clock::manual(DateTime::UNIX_EPOCH + Duration::from_hours(24));
    (Cache::new(1 << 20, clock.clone()), clock)
}

fn keep(cache: &Cache, id: &str, tags: &[&str]) -> bool {
    let slots: Vec<_> = tags.iter().map(|tag| slot(tag)).collect();
    let epoch = cache.epochs.now();
    cache.keep(key(id), b"answer", LIFETIME, epoch, &slots).1
}

#[test]
fn an_entry_ages_from_fresh_to_stale_to_spare_to_nothing() {
    let (cache, clock) = cache();
    assert!(matches!(cache.find(&key("1")), Found::Nothing));
    assert!(keep(&cache, "1", &[]));
    assert!(matches!(cache.find(&key("1")), Found::Fresh(_)));
    clock.advance(Duration::from_secs(59));
    assert!(matches!(cache.find(&key("1")), Found::Fresh(_)));
    clock.advance(Duration::from_secs(1));
    assert!(matches!(cache.find(&key("1")), Found::Stale(_)));
    clock.advance(Duration::from_secs(30));
    assert!(matches!(cache.find(&key("1")), Found::Spare(_)));
    clock.advance(Duration::from_secs(570));
    assert!(matches!(cache.find(&key("1")), Found::Nothing));
}

#[test]
fn a_purge_takes_its_tag_and_leaves_the_others() {
    let (cache, _) = cache();
    // The tags share no slot, whatever this process's hash is.
    let other = (0..100)
        .map(|n| format!("product:{n}"))
        .find(|tag| slot(tag) != slot("product:x") && slot(tag) != slot("products"))
        .unwrap();
    keep(&cache, "x", &["product:x", "products"]);
    keep(&cache, "y", &[&other]);
    assert!(cache.has_fresh(&key("x")));
    cache.purge("product:x");
    assert!(!cache.has_fresh(&key("x")));
    assert!(matches!(cache.find(&key("x")), Found::Nothing));
    assert!(matches!(cache.find(&key("y")), Found::Fresh(_)));
    cache.purge_all();
    assert!(matches!(cache.find(&key("y")), Found::Nothing));
}

#[test]
fn what_was_asked_for_before_a_purge_is_never_kept_after_it() {
    let (cache, _) = cache();
    let slots = [slot("product:x")];
    let epoch = cache.epochs.now(); // the service is asked...
    cache.purge("product:x"); // ...the product changes...
    let (_, kept) = cache.keep(key("x"), b"old", LIFETIME, epoch, &slots); // ...the answer comes
    assert!(!kept);
    assert!(matches!(cache.find(&key("x")), Found::Nothing));
}

#[test]
fn a_soft_purge_makes_its_tag_stale_and_leaves_the_others() {
    let (cache, clock) = cache();
    let other = (0..100)
        .map(|n| format!("product:{n}"))
        .find(|tag| slot(tag) != slot("product:x"))
        .unwrap();
    keep(&cache, "x", &["product:x"]);
    keep(&cache, "y", &[&other]);
    cache.purge_soft("product:x");
    let Found::Stale(entry) = cache.find(&key("x")) else {
        panic!("stale, and still there");
    };
    assert!(cache.ttl_seconds(&entry) < 0, "it counts as stale at once");
    assert!(!cache.has_fresh(&key("x")));
    assert!(matches!(cache.find(&key("y")), Found::Fresh(_)));
    // Its lifetime goes on from there.
    clock.advance(LIFETIME.stale_while_revalidate);
    assert!(matches!(cache.find(&key("x")), Found::Spare(_)));
    clock.advance(LIFETIME.stale_if_error);
    assert!(matches!(cache.find(&key("x")), Found::Nothing));
}

#[test]
fn a_soft_purge_does_not_lengthen_a_life() {
    let (cache, clock) = cache();
    keep(&cache, "x", &["product:x"]);
    clock.advance(LIFETIME.ttl + LIFETIME.stale_while_revalidate);
    cache.purge_soft("product:x");
    assert!(matches!(cache.find(&key("x")), Found::Spare(_)));
}

#[test]
fn what_was_asked_for_before_a_soft_purge_is_not_kept_after_it() {
    let (cache, _) = cache();
    let slots = [slot("product:x")];
    let epoch = cache.epochs.now();
    cache.purge_soft("product:x");
    let (_, kept) = cache.keep(key("x"), b"old", LIFETIME, epoch, &slots);
    assert!(!kept);
    assert!(
        keep(&cache, "x", &["product:x"]),
        "but what is asked for now"
    );
    assert!(matches!(cache.find(&key("x")), Found::Fresh(_)));
}

#[test]
fn hits_are_counted_for_a_question_and_outlive_its_answer() {
    let (cache, _) = cache();
    for (id, hits) in [("rare", 1), ("often", 3), ("never", 0)] {
        keep(&cache, id, &["products"]);
        for _ in 0..hits {
            cache.find(&key(id));
        }
    }
    keep(&cache, "often", &["products"]);
    let top = cache.top(2);
    let hits: Vec<_> = top
        .iter()
        .map(|listed| match &listed.what {
            What::Call(key) => (key, listed.hits),
            What::Page { .. } => panic!("{listed:?}"),
        })
        .collect();
    assert_eq!(hits, [(&key("often"), 3), (&key("rare"), 1)]);
}

#[test]
fn what_a_purge_would_take_is_listed() {
    let (cache, clock) = cache();
    for id in ["1", "2", "3"] {
        keep(&cache, id, &["products"]);
    }
    let (listed, total) = cache.tagged("products", 2);
    assert_eq!((listed.len(), total), (2, 3));
    clock.advance(LIFETIME.end());
    assert_eq!(cache.tagged("products", 2).1, 0, "dead ones do not count");
    keep(&cache, "1", &["products"]);
    cache.purge("products");
    assert_eq!(cache.tagged("products", 2).1, 0, "nor do void ones");
}

#[test]
fn an_address_is_one_tag_however_its_host_is_written() {
    for host in [
        "shop.example",
        "Shop.Example",
        "shop.example:443",
        "shop.example:80",
    ] {
        assert_eq!(url_tag(host, "/A?b"), "url:shop.example/A?b");
    }
    assert_eq!(url_tag("shop.example:8443", "/"), "url:shop.example:8443/");
}

#[test]
fn right_after_a_purge_an_answer_is_kept_for_a_moment_only() {
    let (cache, clock) = cache();
    cache.purge("product:x");
    keep(&cache, "x", &["product:x"]);
    assert!(matches!(cache.find(&key("x")), Found::Fresh(_)));
    clock.advance(SETTLING_TTL);
    assert!(matches!(cache.find(&key("x")), Found::Spare(_)));
    clock.advance(SETTLING);
    keep(&cache, "x", &["product:x"]);
    clock.advance(SETTLING_TTL);
    assert!(matches!(cache.find(&key("x")), Found::Fresh(_)));
}

#[test]
fn while_deaf_only_what_is_seconds_old_is_fresh() {
    let (cache, clock) = cache();
    keep(&cache, "x", &[]);
    cache.set_deaf(true);
    assert!(matches!(cache.find(&key("x")), Found::Fresh(_)));
    clock.advance(DEAF_TTL + Duration::from_millis(1));
    assert!(matches!(cache.find(&key("x")), Found::Spare(_)));
    cache.set_deaf(false);
    assert!(matches!(cache.find(&key("x")), Found::Fresh(_)));
}

#[test]
fn the_store_stays_within_its_bytes() {
    let clock = Clock::system();
    let cache = Cache::new(100_000, clock);
    let message = vec![0; 1000];
    for n in 0..1000 {
        let epoch = cache.epochs.now();
        cache.keep(key(&n.to_string()), &message, LIFETIME, epoch, &[]);
    }
    cache.store.settle();
    let (bytes, entries) = cache.size();
    assert!(bytes <= 100_000, "{bytes}");
    assert!(entries > 10, "{entries}");
    let epoch = cache.epochs.now();
    let (_, kept) = cache.keep(key("large"), &vec![0; 50_000], LIFETIME, epoch, &[]);
    assert!(!kept, "one answer must not take all of the room");
    assert!(matches!(cache.find(&key("large")), Found::Nothing));
}

#[tokio::test]
async fn passengers_get_what_the_pilot_brings() {
    let (epochs, flights) = (Epochs::new(), Flights::<Key, Outcome>::default());
    let Seat::Pilot(landing, first) = flights.board(&key("x"), &[], &epochs) else {
        panic!("nobody flies yet");
    };
    let Seat::Passenger(second) = flights.board(&key("x"), &[], &epochs) else {
        panic!("somebody flies already");
    };
    assert!(matches!(
        flights.board(&key("y"), &[], &epochs),
        Seat::Pilot(..)
    ));
    let entry = Arc::new(Entry::new(b"x", LIFETIME, 0, epochs.now(), &[]));
    landing.land(Outcome::Answer(entry, true));
    for waiter in [first, second] {
        assert!(matches!(waiter.outcome().await, Some(Outcome::Answer(..))));
    }
    assert!(matches!(
        flights.board(&key("x"), &[], &epochs),
        Seat::Pilot(..)
    ));
}

/// Asks again at the moment at which it hears something.
struct AsksAgain {
    flights: Flights<Key, Outcome>,
    epochs: Epochs,
    fetches: AtomicUsize,
}

impl Wake for AsksAgain {
    fn wake(self: Arc<Self>) {
        if let Seat::Pilot(..) = self.flights.board(&key("x"), &[], &self.epochs) {
            self.fetches.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn whoever_hears_of_a_landing_cannot_join_the_fetch_any_more() {
    let hears = Arc::new(AsksAgain {
        flights: Flights::default(),
        epochs: Epochs::new(),
        fetches: AtomicUsize::new(0),
    });
    let Seat::Pilot(landing, waiter) = hears.flights.board(&key("x"), &[], &hears.epochs) else {
        panic!("nobody flies yet");
    };
    let waker = Waker::from(Arc::clone(&hears));
    let mut outcome = pin!(waiter.outcome());
    let mut polled = Context::from_waker(&waker);
    assert!(outcome.as_mut().poll(&mut polled).is_pending());
    landing.land(Outcome::Failed(Refusal::Internal));
    assert_eq!(hears.fetches.load(Ordering::Relaxed), 1, "a new one");
}

#[tokio::test]
async fn nobody_joins_a_fetch_that_began_before_a_purge() {
    let (epochs, flights) = (Epochs::new(), Flights::<Key, Outcome>::default());
    let slots = [slot("product:x")];
    let Seat::Pilot(old, _) = flights.board(&key("x"), &slots, &epochs) else {
        panic!("nobody flies yet");
    };
    epochs.purge(slots[0], 0);
    let Seat::Pilot(new, _) = flights.board(&key("x"), &slots, &epochs) else {
        panic!("the old fetch must not be joined");
    };
    drop(old); // must not take the new one's place
    assert!(matches!(
        flights.board(&key("x"), &slots, &epochs),
        Seat::Passenger(_)
    ));
    drop(new);
}

#[tokio::test]
async fn a_fetch_that_dies_leaves_nobody_waiting() {
    let (epochs, flights) = (Epochs::new(), Flights::<Key, Outcome>::default());
    let Seat::Pilot(landing, waiter) = flights.board(&key("x"), &[], &epochs) else {
        panic!("nobody flies yet");
    };
    drop(landing);
    assert!(waiter.outcome().await.is_none());
}

/// A search with everything in it.
fn search() -> impl Strategy<Value = SearchProductsRequest> {
    let attribute = (".{0,8}", prop::collection::vec(".{0,8}", 0..3))
        .prop_map(|(name, values)| AttributeFilter { name, values });
    let filter = (
        ".{0,8}",
        any::<bool>(),
        prop::collection::vec(attribute, 0..3),
    )
        .prop_map(|(category_id, in_stock_only, attributes)| SearchFilter {
            category_id,
            in_stock_only,
            attributes,
            ..SearchFilter::default()
        });
    (".{0,16}", prop::option::of(filter), 0..5, any::<i32>()).prop_map(
        |(query, filter, sort, page_size)| SearchProductsRequest {
            query,
            filter,
            sort,
            page_size,
            ..SearchProductsRequest::default()
        },
    )
}

/// The same message, encoded otherwise: its fields in another order, defaults
/// spelled out, and fields that no contract knows between them.
fn encode_otherwise(request: &SearchProductsRequest, unknown: &[(u32, Vec<u8>)]) -> Bytes {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut part = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        parts.push(bytes);
    };
    part(&|b| encoding::string::encode(1, &request.query, b));
    part(&|b| encoding::int32::encode(3, &request.sort, b));
    part(&|b| encoding::int32::encode(4, &request.page_size, b));
    part(&|b| encoding::string::encode(5, &request.page_token, b));
    if let Some(filter) = &request.filter {
        part(&|b| {
            let mut inner = filter.encode_to_vec();
            for (tag, bytes) in unknown {
                encoding::bytes::encode(*tag, bytes, &mut inner);
            }
            encoding::encode_key(2, encoding::WireType::LengthDelimited, b);
            encoding::encode_varint(inner.len() as u64, b);
            b.put_slice(&inner);
        });
    }
    for (tag, bytes) in unknown {
        part(&|b| encoding::bytes::encode(*tag, bytes, b));
    }
    let mut otherwise = BytesMut::new();
    for part in parts.iter().rev() {
        otherwise.put_slice(part);
    }
    otherwise.freeze()
}

proptest! {
    #[test]
    fn two_encodings_of_one_message_are_one_question(
        request in search(),
        unknown in prop::collection::vec((100u32..5000, prop::collection::vec(any::<u8>(), 0..9)), 0..4),
    ) {
        let policy = policy("SearchProducts");
        let plain = Bytes::from(request.encode_to_vec());
        let otherwise = encode_otherwise(&request, &unknown);
        let (one, _) = Key::of(policy, &plain).unwrap();
        let (other, _) = Key::of(policy, &otherwise).unwrap();
        prop_assert_eq!(&one, &other);
        // What the service is asked is what the caller meant.
        prop_assert_eq!(SearchProductsRequest::decode(one.message().clone()).unwrap(), request);
    }

    #[test]
    fn two_messages_are_two_questions(one in search(), other in search()) {
        let policy = policy("SearchProducts");
        let of = |request: &SearchProductsRequest| {
            Key::of(policy, &Bytes::from(request.encode_to_vec())).unwrap().0
        };
        prop_assert_eq!(of(&one) == of(&other), one == other);
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Key::of(policy("SearchProducts"), &Bytes::from(bytes));
    }

    /// Whatever the order of fetches and purges: what is served as fresh was
    /// asked for after the last purge of its tag, what is served stale after
    /// the last hard one.
    #[test]
    fn nothing_is_served_that_a_purge_made_void(steps in prop::collection::vec((0..4u8, 0..3usize), 1..60)) {
        let (cache, _) = cache();
        let tags = ["a", "b", "c"];
        // The last version, and the last that may be served stale.
        let (mut version, mut stale) = ([0u8; 3], [0u8; 3]);
        let mut asked: Vec<Option<(epochs::Epoch, u8)>> = vec![None; 3];
        for (step, n) in steps {
            let slots = [slot(tags[n])];
            match step {
                0 => asked[n] = Some((cache.epochs.now(), version[n])),
                1 => {
                    version[n] += 1;
                    stale[n] = version[n];
                    cache.purge(tags[n]);
                }
                2 => {
                    version[n] += 1;
                    cache.purge_soft(tags[n]);
                }
                _ => if let Some((epoch, answer)) = asked[n].take() {
                    cache.keep(key(tags[n]), &[answer], LIFETIME, epoch, &slots);
                },
            }
            for n in 0..3 {
                match cache.find(&key(tags[n])) {
                    Found::Fresh(entry) => prop_assert_eq!(entry.grpc()[5], version[n]),
                    Found::Stale(entry) | Found::Spare(entry) => {
                        prop_assert!(entry.grpc()[5] >= stale[n]);
                    }
                    Found::Nothing => {}
                }
            }
        }
    }
}
