//! What is told of a refund.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proto::souk::{
    event::v1::PaymentRefunded,
    payment::v1::{
        Discrepancy, DiscrepancyKind, DiscrepancyObject, DiscrepancyState,
        ListDiscrepanciesRequest, RefundStatus, ResolveDiscrepancyRequest, RetryRefundRequest,
        payment_service_server::PaymentService as _,
    },
};
use serde_json::json;
use sqlx::PgPool;
use svc_payment::{
    grpc::Grpc,
    payment::Status,
    provider::stripe::CaptureMode,
    reconcile::{reconcile, step},
    reconciliation::Kind,
    refund_payment,
    store::discrepancies,
};

use super::{CAPTURED, Ear, REFUNDED, event};
use crate::{
    harness::{Harness, by_staff, eur},
    stripe::{GOOD, shop},
    stripe_server::StripeServer,
};

#[sqlx::test(migrations = false)]
async fn a_refund_whose_answer_was_lost_is_learned_of(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let shop = shop(pool, &line.config(CaptureMode::Automatic)).await;
    let request = shop.called_off(GOOD).await;
    let claimed = shop.claim_refund().await;
    line.cut_after(2);
    refund_payment::ask(&shop.app, &claimed).await;
    line.cut(false);

    let ear = Ear::of(&shop.app).await;
    let refund = &server.list("refunds").await[0];
    for (id, kind) in [
        ("evt_1", "refund.created"),
        ("evt_2", "charge.refund.updated"),
    ] {
        assert_eq!(ear.told_well(&event(id, kind, refund)).await, 200);
    }
    let stranger = json!({"id": "re_1", "metadata": {"refund_id": request.order_id}});
    let stranger = event("evt_3", "refund.created", &stranger);
    assert_eq!(ear.told_well(&stranger).await, 200);
    ear.drain().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    shop.settle().await;
    assert_eq!(shop.outbox().await, [CAPTURED, REFUNDED]);
    assert_eq!(server.list("refunds").await.len(), 1);
    assert_eq!(ear.state("evt_2").await.as_deref(), Some("processed"));
    assert_eq!(ear.state("evt_3").await.as_deref(), Some("unmatched"));
}

async fn open_discrepancies(grpc: &Grpc) -> Vec<Discrepancy> {
    let open = by_staff(ListDiscrepanciesRequest {
        state: DiscrepancyState::Open.into(),
        ..ListDiscrepanciesRequest::default()
    });
    let page = grpc.list_discrepancies(open).await.unwrap();
    page.into_inner().discrepancies
}

#[sqlx::test(migrations = false)]
async fn a_refund_that_fails_after_it_was_made_is_booked_back_and_left_to_staff(pool: PgPool) {
    let fails = Arc::<AtomicBool>::default();
    let shop = Harness::with(pool, |double| double.fickle(&fails)).await;
    let grpc = Grpc::new(shop.app.clone());
    let request = shop.captured().await;
    let sold = shop.books(&request).await;
    let asked = by_staff(shop.refund(&request, 40_00));
    let refund = grpc.refund_payment(asked).await.unwrap().into_inner();
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::PartiallyRefunded);
    let given_back = shop.books(&request).await;
    let ear = Ear::of(&shop.app).await;
    let hear = async |id: &str| {
        let object = json!({"id": "re_1", "metadata": {"refund_id": refund.id}});
        assert_eq!(
            ear.told_well(&event(id, "refund.failed", &object)).await,
            200
        );
        ear.drain().await;
        assert_eq!(ear.state(id).await.as_deref(), Some("processed"));
    };

    // An event that lies changes nothing.
    hear("evt_1").await;
    assert_eq!(shop.books(&request).await, given_back);
    assert_eq!(open_discrepancies(&grpc).await, []);

    fails.store(true, Ordering::SeqCst);
    let day = shop.clock.now().date_naive();
    for id in ["evt_2", "evt_3"] {
        hear(id).await;
    }
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.payment(&request).await.refunded, eur(0));
    assert_eq!(shop.books(&request).await, sold);
    let open = open_discrepancies(&grpc).await;
    assert_eq!(open.len(), 1, "{open:?}");
    let found = &open[0];
    assert_eq!(found.kind(), DiscrepancyKind::StateDiffers);
    assert_eq!(found.object(), DiscrepancyObject::Refund);
    assert_eq!(
        (
            &found.provider,
            &found.date,
            &found.object_id,
            &found.order_id
        ),
        (
            &"stripe".to_owned(),
            &day.to_string(),
            &refund.id,
            &request.order_id
        )
    );
    assert_eq!(found.ours.as_ref().unwrap().state, "refunded");
    assert_eq!(found.theirs.as_ref().unwrap().state, "failed");
    assert!(found.proposal.contains("retried"), "{}", found.proposal);
    assert_eq!(
        discrepancies::open(&shop.pool).await.unwrap(),
        [(Kind::StateDiffers, 1)]
    );

    // Both sides agree by now, and still somebody has to look at it.
    shop.clock.advance(Duration::from_hours(24));
    reconcile(&shop.app, Some(day)).await.unwrap();
    while step(&shop.app).await.unwrap() {}
    assert_eq!(open_discrepancies(&grpc).await, open);

    // It is given once more, and booked once more.
    fails.store(false, Ordering::SeqCst);
    let retry = || {
        by_staff(RetryRefundRequest {
            id: refund.id.clone(),
        })
    };
    let again = grpc.retry_refund(retry()).await.unwrap().into_inner();
    assert_eq!(again.status(), RefundStatus::Requested);
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::PartiallyRefunded);
    assert_eq!(shop.books(&request).await, given_back);
    let announced: Vec<PaymentRefunded> = shop.announced().await;
    assert!(
        announced.iter().all(|told| told.refund_id == refund.id),
        "who counts each refund once counts it once"
    );

    // And may fail once more, which is another discrepancy.
    fails.store(true, Ordering::SeqCst);
    hear("evt_4").await;
    assert_eq!(shop.books(&request).await, sold);
    let open = open_discrepancies(&grpc).await;
    assert_eq!(open.len(), 2, "{open:?}");
    for found in open {
        let resolve = by_staff(ResolveDiscrepancyRequest {
            id: found.id,
            reason: "sent by the bank".to_owned(),
        });
        grpc.resolve_discrepancy(resolve).await.unwrap();
    }
    assert_eq!(open_discrepancies(&grpc).await, []);
}
