//! An ended session ends in the whole fleet within a second.

use std::time::Duration;

use proto::souk::{event::v1::SessionRevoked, order::v1::GetCartRequest};
use tokio::{task::JoinSet, time::Instant};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt as _;

use proto::souk::order::v1::order_service_client::OrderServiceClient;

use crate::support::{
    Harness, PATIENCE,
    nats::publish,
    tokens::{bearing, claims, sign},
};

/// Within this a session must have ended everywhere.
const AT_ONCE: Duration = Duration::from_secs(1);
const SESSIONS: usize = 10;

/// Asks until the session has ended; how long after `published` that was.
async fn ended(
    mut order: OrderServiceClient<Channel>,
    token: String,
    published: Instant,
) -> Duration {
    loop {
        match order.get_cart(bearing(&token, GetCartRequest {})).await {
            Ok(_) => assert!(published.elapsed() < PATIENCE, "it never ends"),
            Err(refused) => {
                assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
                let info = refused.get_details_error_info().unwrap();
                assert_eq!(info.reason, "SESSION_REVOKED");
                return published.elapsed();
            }
        }
    }
}

#[tokio::test]
async fn an_ended_session_is_refused_by_three_edges_within_a_second() {
    let fleet = [
        Harness::start().await,
        Harness::start().await,
        Harness::start().await,
    ];
    let mut delays = Vec::new();
    for _ in 0..SESSIONS {
        let claims = claims(&fleet[0].clock);
        let token = sign(&claims);
        let mut callers = Vec::new();
        for edge in &fleet {
            let mut order = edge.order().await;
            // Twice: from now on its signature is known to be good.
            for _ in 0..2 {
                order
                    .get_cart(bearing(&token, GetCartRequest {}))
                    .await
                    .unwrap();
            }
            callers.push(order);
        }
        publish(&SessionRevoked {
            account_id: claims.sub.to_string(),
            session_id: claims.sid.to_string(),
        })
        .await;
        let published = Instant::now();
        let mut waiting = JoinSet::new();
        for order in callers {
            waiting.spawn(ended(order, token.clone(), published));
        }
        delays.extend(waiting.join_all().await);
    }
    delays.sort();
    println!(
        "{} revocations seen by an edge: median {:?}, slowest {:?}",
        delays.len(),
        delays[delays.len() / 2],
        delays[delays.len() - 1]
    );
    assert!(delays[delays.len() - 1] < AT_ONCE, "{delays:?}");
    let metrics = fleet[0].metrics().await;
    let counted = metrics
        .lines()
        .find_map(|line| line.strip_prefix("edge_revocation_delay_seconds_count "))
        .expect("the delay is measured");
    assert!(
        counted.parse::<usize>().unwrap() >= 3 * SESSIONS,
        "{counted}"
    );
}
