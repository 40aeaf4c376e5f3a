//! Deciding about orders that a fraud screen doubts.

use std::time::Duration;

use proto::souk::order::v1::{self as pb, order_service_server::OrderService as _};
use sqlx::PgPool;
use svc_kit::{caller::Caller, error::Kind, testing};
use svc_order::{
    audit::Action,
    decide_review::{DecideReview, decide_review},
    error::Error,
    fraud::{Fraud, Rules},
    grpc::OrderGrpc,
    list_audit_records::{ListAuditRecords, list_audit_records},
    list_reviews::{ListReviews, ReviewPage, list_reviews},
    order::{Order, OrderId, Status},
    review::{Decision, Review, ReviewState},
    ship_order::ship_order,
};

use crate::support::{
    CANCELLED, CONFIRMED, PLACED, REQUESTED, Shop, at_once, captured, dhl, kind, reason, reason_of,
    uuid,
};

/// A shop that doubts every order.
async fn doubting(pool: PgPool) -> Shop {
    let mut shop = Shop::new(pool).await;
    let rules = Rules {
        review: "EUR=0.01".parse().unwrap(),
        ..Rules::default()
    };
    shop.app.fraud = Fraud::new(vec![Box::new(rules)], Duration::from_secs(3));
    shop
}

async fn decide(
    shop: &Shop,
    by: &Caller,
    id: OrderId,
    decision: Decision,
) -> Result<(Review, Order), Error> {
    let command = DecideReview {
        order_id: id,
        decision,
        note: "called the customer".to_owned(),
    };
    decide_review(&shop.app, by, command).await
}

async fn list(shop: &Shop, state: Option<ReviewState>, after: Option<OrderId>) -> ReviewPage {
    let query = ListReviews {
        state,
        page_size: 2,
        after,
    };
    list_reviews(&shop.app, query).await.unwrap()
}

async fn audited(shop: &Shop, id: OrderId) -> Vec<(Action, svc_kit::id::AccountId)> {
    let query = ListAuditRecords {
        order_id: Some(id),
        page_size: 10,
        after: None,
    };
    let page = list_audit_records(&shop.app, query).await.unwrap();
    page.records
        .iter()
        .map(|record| (record.action, record.actor_id))
        .collect()
}

#[sqlx::test(migrations = false)]
async fn a_doubted_order_goes_on_but_is_not_shipped_before_it_is_approved(pool: PgPool) {
    let shop = doubting(pool).await;
    let order = shop.given_confirmed().await;
    let error = ship_order(&shop.app, order.id, dhl()).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "ORDER_IN_REVIEW")
    );

    let staff = testing::caller();
    let (review, _) = decide(&shop, &staff, order.id, Decision::Approve)
        .await
        .unwrap();
    assert_eq!(review.state, ReviewState::Approved);
    let decided = review.decided.clone().unwrap();
    assert_eq!(
        (decided.by, decided.at, decided.note.as_str()),
        (
            staff.account_id,
            shop.app.clock.now(),
            "called the customer"
        )
    );
    let shipped = ship_order(&shop.app, order.id, dhl()).await.unwrap();
    assert_eq!(shipped.status, Status::Shipped);
    assert_eq!(
        audited(&shop, order.id).await,
        [(Action::ReviewApproved, staff.account_id)]
    );
}

#[sqlx::test(migrations = false)]
async fn a_rejected_order_is_cancelled_wherever_it_stands(pool: PgPool) {
    let shop = doubting(pool).await;
    let staff = testing::caller();
    let (pending, reserved, confirmed) = (
        shop.given_pending().await,
        shop.given_reserved().await,
        shop.given_confirmed().await,
    );
    for order in [&pending, &reserved, &confirmed] {
        let (review, order) = decide(&shop, &staff, order.id, Decision::Reject)
            .await
            .unwrap();
        assert_eq!(review.state, ReviewState::Rejected);
        assert_eq!(
            (order.status, reason_of(&order)),
            (Status::Cancelled, "REVIEW_REJECTED")
        );
        assert_eq!(shop.reload(order.id).await, order);
        assert_eq!(audited(&shop, order.id).await[0].0, Action::ReviewRejected);
    }
    assert_eq!(
        shop.outbox().await,
        [
            PLACED, PLACED, REQUESTED, PLACED, REQUESTED, CONFIRMED, CANCELLED, CANCELLED,
            CANCELLED
        ]
    );
    // A late capture of the reserved one is noted; svc-payment refunds it.
    shop.captured(captured(&reserved)).await.unwrap();
    assert!(shop.reload(reserved.id).await.paid);
}

#[sqlx::test(migrations = false)]
async fn a_review_is_decided_once(pool: PgPool) {
    let shop = doubting(pool).await;
    let order = shop.given_pending().await;
    let decided = at_once(8, |_| {
        let (app, by) = (shop.app.clone(), testing::caller());
        let command = DecideReview {
            order_id: order.id,
            decision: Decision::Reject,
            note: "no".to_owned(),
        };
        async move { decide_review(&app, &by, command).await.unwrap() }
    })
    .await;
    assert!(decided.iter().all(|answer| *answer == decided[0]));
    assert_eq!(audited(&shop, order.id).await.len(), 1);
    assert_eq!(shop.outbox().await, [PLACED, CANCELLED]);

    let error = decide(&shop, &testing::caller(), order.id, Decision::Approve)
        .await
        .unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "REVIEW_DECIDED")
    );
}

#[sqlx::test(migrations = false)]
async fn an_order_that_nobody_doubts_has_no_review(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let staff = testing::caller();
    for (id, expected) in [
        (order.id, "REVIEW_NOT_FOUND"),
        (OrderId(uuid()), "ORDER_NOT_FOUND"),
    ] {
        let error = decide(&shop, &staff, id, Decision::Reject)
            .await
            .unwrap_err();
        assert_eq!((kind(&error), reason(&error)), (Kind::NotFound, expected));
    }
    assert_eq!(list(&shop, None, None).await.reviews, []);
}

#[sqlx::test(migrations = false)]
async fn reviews_are_listed_by_state_oldest_first(pool: PgPool) {
    let shop = doubting(pool).await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(shop.given_pending().await);
        shop.app.clock.advance(Duration::from_millis(1));
    }
    decide(&shop, &testing::caller(), orders[0].id, Decision::Approve)
        .await
        .unwrap();

    let first = list(&shop, Some(ReviewState::Pending), None).await;
    let ids = |page: &ReviewPage| -> Vec<OrderId> {
        page.reviews.iter().map(|(_, order)| order.id).collect()
    };
    assert_eq!(ids(&first), [orders[1].id, orders[2].id]);
    assert_eq!(first.reviews[0].1, orders[1]);
    assert_eq!(first.reviews[0].0.reasons, ["AMOUNT_HIGH"]);
    let rest = list(&shop, Some(ReviewState::Pending), first.next).await;
    assert_eq!((ids(&rest), rest.next), (vec![orders[3].id], None));
    let approved = list(&shop, Some(ReviewState::Approved), None).await;
    assert_eq!(ids(&approved), [orders[0].id]);
    assert_eq!(ids(&list(&shop, None, None).await)[0], orders[0].id);
}

fn by<T>(caller: &Caller, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

#[sqlx::test(migrations = false)]
async fn staff_see_the_review_and_customers_do_not(pool: PgPool) {
    let shop = doubting(pool).await;
    let grpc = OrderGrpc::new(shop.app.clone());
    let order = shop.given_confirmed().await;
    let (id, staff) = (order.id.to_string(), testing::caller());

    let get = || pb::GetOrderRequest { id: id.clone() };
    let before = grpc.get_order(by(&shop.customer, get())).await.unwrap();
    assert_eq!(
        before.get_ref().review_state(),
        pb::ReviewState::Unspecified
    );
    let list = pb::ListReviewsRequest {
        state: pb::ReviewState::Pending.into(),
        ..pb::ListReviewsRequest::default()
    };
    let listed = grpc.list_reviews(by(&staff, list)).await.unwrap();
    let review = &listed.get_ref().reviews[0];
    let seen = review.order.as_ref().unwrap();
    assert_eq!(seen.review_state(), pb::ReviewState::Pending);
    assert_eq!((&seen.id, review.decider_id.as_str()), (&id, ""));

    let decision = pb::DecideReviewRequest {
        order_id: id.clone(),
        decision: pb::ReviewDecision::Approve.into(),
        note: " known for years ".to_owned(),
    };
    let decided = grpc.decide_review(by(&staff, decision)).await.unwrap();
    assert_eq!(decided.get_ref().note, "known for years");
    assert_eq!(decided.get_ref().decider_id, staff.account_id.to_string());
    // Nor does a customer see that something was decided.
    let after = grpc.get_order(by(&shop.customer, get())).await.unwrap();
    assert_eq!(after.get_ref(), before.get_ref());
    let ship = pb::ShipOrderRequest {
        id: id.clone(),
        carrier: "DHL".to_owned(),
        tracking_code: String::new(),
    };
    let shipped = grpc.ship_order(by(&staff, ship)).await.unwrap();
    assert_eq!(shipped.get_ref().review_state(), pb::ReviewState::Approved);
    for decision in [0, 7] {
        let request = pb::DecideReviewRequest {
            order_id: id.clone(),
            decision,
            note: "?".to_owned(),
        };
        let status = grpc.decide_review(by(&staff, request)).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }
}
