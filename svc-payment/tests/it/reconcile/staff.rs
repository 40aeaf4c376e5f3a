//! What staff see of it, and do about it.

use std::time::Duration;

use proto::souk::payment::v1::{
    DiscrepancyKind, DiscrepancyObject, DiscrepancyState, GetReconciliationRequest,
    ListDiscrepanciesRequest, ReconcileRequest, ResolveDiscrepancyRequest,
    payment_service_server::PaymentService as _,
};
use sqlx::PgPool;
use svc_payment::{grpc::Grpc, reconciliation::State};
use tonic::Code;
use uuid::Uuid;

use super::DAY;
use crate::harness::{Harness, by_staff, reason};

#[sqlx::test(migrations = false)]
async fn staff_see_what_differs_and_close_it_with_a_reason(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let grpc = Grpc::new(shop.app.clone());
    for _ in 0..5 {
        shop.captured().await;
        shop.clock.advance(Duration::from_millis(1));
    }
    shop.sql("DELETE FROM sandbox.charges").await;
    shop.clock.advance(DAY);
    let ask = |date: &str| {
        by_staff(ReconcileRequest {
            date: date.to_owned(),
        })
    };

    let begun = grpc.reconcile(ask("")).await.unwrap().into_inner();
    assert_eq!(begun.date, "2023-11-14");
    assert!(!begun.runs[0].finished);
    shop.stepped().await;
    let done = grpc
        .get_reconciliation(by_staff(GetReconciliationRequest { date: begun.date }))
        .await
        .unwrap()
        .into_inner();
    assert!(done.runs[0].finished);
    for bad in ["2023-11-16", "2023-11-31", "yesterday"] {
        let refused = grpc.reconcile(ask(bad)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad}");
    }

    let mut listed = Vec::new();
    let mut filter = ListDiscrepanciesRequest {
        state: DiscrepancyState::Open.into(),
        kind: DiscrepancyKind::MissingThere.into(),
        date: "2023-11-14".to_owned(),
        page_size: 2,
        page_token: String::new(),
    };
    loop {
        let page = grpc
            .list_discrepancies(by_staff(filter.clone()))
            .await
            .unwrap()
            .into_inner();
        listed.extend(page.discrepancies);
        filter.page_token = page.next_page_token;
        if filter.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.len(), 5);
    let first = &listed[0];
    assert_eq!(first.object(), DiscrepancyObject::Charge);
    assert_eq!(first.ours.as_ref().unwrap().state, "captured");
    assert_eq!(first.theirs, None);
    assert!(first.proposal.contains("Ask the provider"));
    for other in [
        ListDiscrepanciesRequest {
            kind: DiscrepancyKind::MissingHere.into(),
            ..filter.clone()
        },
        ListDiscrepanciesRequest {
            date: "2023-11-13".to_owned(),
            ..filter.clone()
        },
        ListDiscrepanciesRequest {
            state: DiscrepancyState::Resolved.into(),
            ..filter
        },
    ] {
        let page = grpc.list_discrepancies(by_staff(other)).await.unwrap();
        assert_eq!(page.into_inner().discrepancies, []);
    }

    let mut resolve = by_staff(ResolveDiscrepancyRequest {
        id: first.id.clone(),
        reason: "the provider has lost it and pays".to_owned(),
    });
    let staff = svc_kit::caller::Caller::of(&resolve).unwrap();
    let resolved = grpc
        .resolve_discrepancy(resolve)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(resolved.state(), DiscrepancyState::Resolved);
    assert_eq!(resolved.resolved_by, staff.account_id.to_string());
    assert_eq!(resolved.reason, "the provider has lost it and pays");
    assert!(resolved.close_time.is_some());
    // The same again changes nothing; anything else is refused.
    resolve = by_staff(ResolveDiscrepancyRequest {
        id: first.id.clone(),
        reason: resolved.reason.clone(),
    });
    resolve.extensions_mut().insert(staff);
    let again = grpc
        .resolve_discrepancy(resolve)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, resolved);
    let other = grpc
        .resolve_discrepancy(by_staff(ResolveDiscrepancyRequest {
            id: first.id.clone(),
            reason: "something else".to_owned(),
        }))
        .await
        .unwrap_err();
    assert_eq!(reason(&other), "DISCREPANCY_CLOSED");
    let unknown = grpc
        .resolve_discrepancy(by_staff(ResolveDiscrepancyRequest {
            id: Uuid::nil().to_string(),
            reason: "something else".to_owned(),
        }))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    // What was resolved stays so, though it is found again.
    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await.len(), 4);
    assert_eq!(shop.found(State::Resolved).await.len(), 1);
}
