use proto::souk::notify::v1::{
    DeliveryStatus, ListDeliveriesRequest, ListDeliveriesResponse,
    notify_service_server::NotifyService,
};
use sqlx::PgPool;
use svc_kit::{caller::Caller, testing};
use svc_notify::grpc::Grpc;
use tonic::{Code, Request, Status};

use crate::harness::{Harness, directory};

async fn list(
    shop: &Harness,
    caller: &Caller,
    page_size: i32,
    page_token: &str,
) -> Result<ListDeliveriesResponse, Status> {
    let mut request = Request::new(ListDeliveriesRequest {
        page_size,
        page_token: page_token.to_owned(),
    });
    request.extensions_mut().insert(caller.clone());
    Ok(Grpc::new(shop.app.clone())
        .list_deliveries(request)
        .await?
        .into_inner())
}

#[sqlx::test(migrations = false)]
async fn a_customer_pages_through_their_own_deliveries(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let mut ana = shop.ana().await;
    let other = shop.ana().await;
    shop.confirmed(&other).await.unwrap();
    for _ in 0..3 {
        ana.confirmed.order_id = svc_kit::id::generate(&shop.clock).to_string();
        shop.confirmed(&ana).await.unwrap();
    }
    shop.drain().await;
    let caller = Caller {
        account_id: ana.account_id(),
        ..testing::caller()
    };

    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = list(&shop, &caller, 3, &token).await.unwrap();
        assert!(page.deliveries.len() <= 3);
        seen.extend(page.deliveries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }

    let templates: Vec<_> = seen
        .iter()
        .map(|delivery| delivery.template.as_str())
        .collect();
    assert_eq!(
        templates,
        [
            "order_confirmed",
            "order_confirmed",
            "order_confirmed",
            "welcome"
        ]
    );
    assert_eq!(seen[0].order_id, ana.confirmed.order_id);
    assert!(
        seen.iter()
            .all(|delivery| delivery.status() == DeliveryStatus::Sent)
    );
    assert!(seen.iter().all(|delivery| delivery.sent_time.is_some()));
    assert!(
        seen[0].subject.starts_with("Your order "),
        "{}",
        seen[0].subject
    );
}

#[sqlx::test(migrations = false)]
async fn a_bad_page_is_refused(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    for (size, token) in [(-1, ""), (0, "garbage!"), (0, "MQ")] {
        let refused = list(&shop, &testing::caller(), size, token)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{size} {token}");
    }
}
