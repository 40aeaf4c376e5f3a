//! What the edge hears over NATS: purges and ended sessions.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use edge::frame;

use proto::souk::{
    event::v1::{ProductChanged, SessionRevoked, SigningKeyChanged},
    order::v1::{GetCartRequest, WatchOrderRequest},
};
use svc_kit::clock::Clock;
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{
    Harness, grpc_web,
    nats::{Cable, publish},
    product_id, read,
    tokens::{NEXT_KEY, bearing, claims, sign, sign_as},
    until,
};

/// Within this ends and purges must be heard.
const AT_ONCE: Duration = Duration::from_secs(1);

fn changed(id: &str) -> ProductChanged {
    ProductChanged {
        product_id: id.to_owned(),
        version: 2,
        tags: vec![format!("product:{id}")],
    }
}

#[tokio::test]
async fn a_change_is_seen_within_a_second() {
    let edge = Harness::start().await;
    let (id, other) = (product_id(), product_id());
    edge.shop.set_title(&id, "old");
    let mut catalog = edge.catalog().await;
    read(&mut catalog, &id).await;
    read(&mut catalog, &other).await;
    let (product, status) = read(&mut catalog, &id).await;
    assert!(product.title == "old" && status.starts_with("souk; hit"));

    edge.shop.set_title(&id, "new");
    publish(&changed(&id)).await;
    let published = Instant::now();
    until("the change is seen", async || {
        read(&mut edge.catalog().await, &id).await.0.title == "new"
    })
    .await;
    assert!(published.elapsed() < AT_ONCE, "{:?}", published.elapsed());
    let (_, status) = read(&mut catalog, &other).await;
    assert!(status.starts_with("souk; hit"), "others stay: {status}");
}

#[tokio::test]
async fn an_answer_fetched_before_a_purge_is_not_kept_after_it() {
    let edge = Harness::start().await;
    let (id, marker) = (format!("gated-{}", product_id()), product_id());
    edge.shop.set_title(&id, "old");
    let mut catalog = edge.catalog().await;
    read(&mut catalog, &marker).await;
    let first = tokio::spawn({
        let (mut catalog, id) = (catalog.clone(), id.clone());
        async move { read(&mut catalog, &id).await }
    });
    until("the service is asked", async || edge.shop.calls(&id) == 1).await;
    edge.shop.set_title(&id, "new");
    // Both in one event: when the one is purged, so is the other.
    publish(&ProductChanged {
        tags: vec![format!("product:{id}"), format!("product:{marker}")],
        ..changed(&id)
    })
    .await;
    until("the purge has come", async || {
        !read(&mut edge.catalog().await, &marker)
            .await
            .1
            .starts_with("souk; hit")
            || edge.shop.calls(&marker) > 1
    })
    .await;

    // Who asks now must not be given what was fetched before.
    let second = tokio::spawn({
        let (mut catalog, id) = (catalog.clone(), id.clone());
        async move { read(&mut catalog, &id).await }
    });
    until("the service is asked again", async || {
        edge.shop.calls(&id) == 2
    })
    .await;
    edge.shop.gate.add_permits(2);
    let (product, status) = first.await.unwrap();
    assert_eq!(
        (product.title.as_str(), status.as_str()),
        ("old", "souk; fwd=miss")
    );
    assert_eq!(second.await.unwrap().0.title, "new");
    let (product, _) = read(&mut catalog, &id).await;
    assert_eq!(product.title, "new");
}

#[tokio::test]
async fn an_ended_session_is_refused_within_a_second() {
    let edge = Harness::start().await;
    let claims = claims(&edge.clock);
    let token = sign(&claims);
    let cart = async || {
        let mut order = edge.order().await;
        order.get_cart(bearing(&token, GetCartRequest {})).await
    };
    cart().await.unwrap();
    publish(&SessionRevoked {
        account_id: claims.sub.to_string(),
        session_id: claims.sid.to_string(),
    })
    .await;
    let published = Instant::now();
    until("it is refused", async || cart().await.is_err()).await;
    assert!(published.elapsed() < AT_ONCE, "{:?}", published.elapsed());
    let refused = cart().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "SESSION_REVOKED");
}

const WATCH_ORDER: &str = "/souk.order.v1.OrderService/WatchOrder";

#[tokio::test]
async fn a_stream_does_not_outlive_its_session() {
    let edge = Harness::start().await;
    let ended = claims(&edge.clock);
    let token = sign(&ended);
    let mut order = edge.order().await;
    let watch = |token: &str| bearing(token, WatchOrderRequest::default());
    let mut native = order.watch_order(watch(&token)).await.unwrap().into_inner();
    let other = sign(&claims(&edge.clock));
    let mut other = order.watch_order(watch(&other)).await.unwrap().into_inner();
    let web = edge.web().with("authorization", &format!("Bearer {token}"));
    let opening = web.open(WATCH_ORDER, frame::data(b""));
    let saying = async {
        until("all listen", async || {
            edge.shop.updates.receiver_count() == 3
        })
        .await;
        edge.shop.updates.send("before".to_owned()).unwrap();
    };
    let (mut web, ()) = tokio::join!(opening, saying);
    assert!(native.message().await.unwrap().is_some());
    assert!(other.message().await.unwrap().is_some());
    assert!(web.next().await.is_some());

    publish(&SessionRevoked {
        account_id: ended.sub.to_string(),
        session_id: ended.sid.to_string(),
    })
    .await;
    until("the session is known to have ended", async || {
        let mut order = edge.order().await;
        let cart = order.get_cart(bearing(&token, GetCartRequest {})).await;
        cart.is_err()
    })
    .await;
    edge.shop.updates.send("after".to_owned()).unwrap();
    let refused = native.message().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "SESSION_REVOKED");
    assert!(web.next().await.is_none());
    let trailers = web.trailers.expect("it is told why");
    assert_eq!(grpc_web::status(&trailers), Some(16));
    let after = other.message().await.unwrap().unwrap();
    assert_eq!(after.order.unwrap().id, "after", "others go on");
    until("the service is rid of them", async || {
        edge.shop.watchers.load(SeqCst) == 1
    })
    .await;
}

#[tokio::test]
async fn a_stream_does_not_outlive_its_token() {
    let edge = Harness::with_manual_clock(&[]).await;
    let token = sign(&claims(&edge.clock));
    let mut order = edge.order().await;
    let watching = order.watch_order(bearing(&token, WatchOrderRequest::default()));
    let mut stream = watching.await.unwrap().into_inner();
    until("it listens", async || {
        edge.shop.updates.receiver_count() == 1
    })
    .await;
    edge.shop.updates.send("before".to_owned()).unwrap();
    assert!(stream.message().await.unwrap().is_some());
    edge.clock.advance(Duration::from_mins(16));
    edge.shop.updates.send("after".to_owned()).unwrap();
    let refused = stream.message().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn an_edge_that_starts_later_knows_which_sessions_were_ended() {
    let clock = Clock::system();
    let claims = claims(&clock);
    publish(&SessionRevoked {
        account_id: claims.sub.to_string(),
        session_id: claims.sid.to_string(),
    })
    .await;
    let edge = Harness::start().await;
    let token = sign(&claims);
    until("it is refused", async || {
        let mut order = edge.order().await;
        order
            .get_cart(bearing(&token, GetCartRequest {}))
            .await
            .is_err()
    })
    .await;
}

#[tokio::test]
async fn a_new_key_is_fetched_when_it_is_announced() {
    let edge = Harness::start().await;
    let mut order = edge.order().await;
    let token = sign(&claims(&edge.clock));
    order
        .get_cart(bearing(&token, GetCartRequest {}))
        .await
        .unwrap();
    *edge.shop.keys.lock().unwrap() = vec![NEXT_KEY];
    publish(&SigningKeyChanged {
        key_id: NEXT_KEY.to_owned(),
    })
    .await;
    until("the old key is void", async || {
        let mut order = edge.order().await;
        order
            .get_cart(bearing(&token, GetCartRequest {}))
            .await
            .is_err()
    })
    .await;
    let token = sign_as(&claims(&edge.clock), NEXT_KEY, NEXT_KEY);
    order
        .get_cart(bearing(&token, GetCartRequest {}))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_may_have_been_missed_is_not_trusted() {
    let cable = Cable::lay().await;
    let nats = cable.url();
    let clock = Clock::manual(Clock::system().now());
    let shop = crate::support::services::Shop::start().await;
    let edge = Harness::build(&["--nats-url", &nats], clock, shop).await;
    until("purges are heard", async || edge.has_caught_up().await).await;
    let id = product_id();
    edge.shop.set_title(&id, "old");
    let mut catalog = edge.catalog().await;
    read(&mut catalog, &id).await;
    assert!(read(&mut catalog, &id).await.1.starts_with("souk; hit"));

    cable.cut();
    until("it hears nothing", async || !edge.has_caught_up().await).await;
    let (_, status) = read(&mut catalog, &id).await;
    assert!(status.starts_with("souk; hit"), "for seconds: {status}");
    edge.shop.set_title(&id, "new");
    edge.clock.advance(Duration::from_secs(6));
    let (product, status) = read(&mut catalog, &id).await;
    assert_eq!(
        (product.title.as_str(), status.as_str()),
        ("new", "souk; fwd=stale; stored")
    );

    // It hears again: what is kept is as good as before, and changes are heard.
    edge.clock.advance(Duration::from_secs(6));
    cable.mend();
    until("it has caught up", async || edge.has_caught_up().await).await;
    let (_, status) = read(&mut catalog, &id).await;
    assert!(status.starts_with("souk; hit"), "{status}");
    edge.shop.set_title(&id, "newer");
    publish(&changed(&id)).await;
    until("the change is seen", async || {
        read(&mut edge.catalog().await, &id).await.0.title == "newer"
    })
    .await;
}
