//! Listing what staff did.

use sqlx::PgPool;
use svc_kit::testing;
use svc_order::{
    audit::{Action, AuditRecord},
    list_audit_records::{AuditPage, ListAuditRecords, list_audit_records},
    order::{Fingerprint, Order, OrderId, RequestKey, returns::ReturnedItem},
    return_order::{ReturnOrder, return_order},
};

use crate::support::{Shop, uuid};

async fn list(shop: &Shop, order_id: Option<OrderId>, after: Option<&AuditRecord>) -> AuditPage {
    let query = ListAuditRecords {
        order_id,
        page_size: 2,
        after: after.map(|record| record.id),
    };
    list_audit_records(&shop.app, query).await.unwrap()
}

async fn take_back(shop: &Shop, order: &Order, reason: &str) -> svc_kit::caller::Caller {
    let staff = testing::caller();
    let command = ReturnOrder {
        order_id: order.id,
        request: RequestKey {
            id: uuid(),
            fingerprint: Fingerprint([7; 32]),
        },
        items: vec![ReturnedItem {
            product_id: order.lines[0].product_id,
            quantity: 1,
            restock: true,
        }],
        refund: None,
        reason: reason.to_owned(),
    };
    return_order(&shop.app, &staff, command).await.unwrap();
    shop.app.clock.advance(std::time::Duration::from_millis(1));
    staff
}

#[sqlx::test(migrations = false)]
async fn who_did_what_to_which_order_is_listed_newest_first(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, ..) = shop.given_shipped_camp().await;
    let (other, ..) = shop.given_shipped_camp().await;
    let ada = take_back(&shop, &order, "broken").await;
    take_back(&shop, &other, "too small").await;
    take_back(&shop, &order, "too large").await;

    let all = list(&shop, None, None).await;
    assert_eq!(all.records.len(), 2);
    let rest = list(&shop, None, all.records.last()).await;
    assert_eq!((rest.records.len(), rest.next), (1, None));

    let of_order = list(&shop, Some(order.id), None).await;
    let reasons: Vec<_> = of_order.records.iter().map(|r| r.reason.as_str()).collect();
    assert_eq!(
        (reasons, of_order.next),
        (vec!["too large", "broken"], None)
    );
    let first = &of_order.records[1];
    assert_eq!(
        (first.action, first.actor_id, first.account_id),
        (Action::OrderReturned, ada.account_id, order.account_id)
    );
}

#[sqlx::test(migrations = false)]
async fn a_record_stays_as_it_is(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, ..) = shop.given_shipped_camp().await;
    take_back(&shop, &order, "broken").await;
    for statement in [
        "UPDATE audit_records SET reason = 'none'",
        "DELETE FROM audit_records",
        "TRUNCATE audit_records",
    ] {
        let error = sqlx::query(statement)
            .execute(shop.db().writer())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("never changed"), "{error}");
    }
    assert_eq!(list(&shop, None, None).await.records.len(), 1);
}
