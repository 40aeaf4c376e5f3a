use proto::souk::event::v1::{AccountRegistered, OrderConfirmed};
use sqlx::PgPool;
use svc_kit::consumer::{ConsumeError, Consumer as _, Delivered, Heard, deliver};
use svc_notify::{
    consumers::OnOrderConfirmed,
    delivery::{Status, Template},
};
use uuid::Uuid;

use crate::harness::{Harness, Somebody, directory, mails};

#[sqlx::test(migrations = false)]
async fn each_event_is_told_once(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.ana().await;
    for _ in 0..2 {
        shop.confirmed(&ana).await.unwrap();
        shop.cancelled(&ana).await.unwrap();
        shop.registered(&ana).await.unwrap();
        shop.drain().await;
    }

    let told: Vec<_> = shop
        .deliveries(&ana)
        .await
        .iter()
        .map(|d| d.template)
        .collect();
    assert_eq!(
        told,
        [
            Template::OrderCancelled,
            Template::OrderConfirmed,
            Template::Welcome
        ]
    );
    assert_eq!(mails(directory.path()).len(), 3);
}

#[sqlx::test(migrations = false)]
async fn a_replayed_event_is_a_duplicate(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.ana().await;
    let consumer = OnOrderConfirmed {
        app: shop.app.clone(),
    };
    let hear = async || {
        deliver(
            &shop.app.db,
            &consumer,
            Uuid::from_u128(7),
            ana.confirmed.clone(),
        )
        .await
        .unwrap()
    };
    assert_eq!(
        (hear().await, hear().await),
        (Delivered::Handled, Delivered::Duplicate)
    );
}

#[sqlx::test(migrations = false)]
async fn a_contact_that_comes_late_still_gets_its_mail(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.somebody("ana@example.com", "Ana");

    shop.confirmed(&ana).await.unwrap();
    shop.drain().await;
    let waiting = shop.deliveries(&ana).await;
    assert_eq!(
        (waiting[0].status, waiting[0].attempts),
        (Status::Queued, 0)
    );
    assert_eq!(mails(directory.path()), []);

    shop.registered(&ana).await.unwrap();
    shop.drain().await;
    assert!(
        shop.deliveries(&ana)
            .await
            .iter()
            .all(|d| d.status == Status::Sent)
    );
    assert_eq!(mails(directory.path()).len(), 2);
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_is_explained(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let refunded = shop.ana().await;
    shop.confirmed(&refunded).await.unwrap();
    shop.cancelled(&refunded).await.unwrap();
    let mut declined = shop.ana().await;
    declined.cancelled.reason = "PAYMENT_DECLINED".to_owned();
    shop.cancelled(&declined).await.unwrap();
    shop.drain().await;

    let mail = |who: &Somebody| {
        let mails = mails(directory.path());
        let cancelled = |mail: &&(String, String)| {
            mail.1.contains("is cancelled") && mail.1.contains(&who.cancelled.order_id)
        };
        mails.iter().find(cancelled).unwrap().1.clone()
    };
    assert!(
        mail(&refunded).contains("as you asked.\r\nThe EUR 42.00 that you paid are on their way")
    );
    assert!(mail(&declined).contains("your card was declined.\r\nYou have not been charged."));
}

#[sqlx::test(migrations = false)]
async fn a_confirmation_that_comes_after_the_cancellation_is_not_told(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.ana().await;
    shop.cancelled(&ana).await.unwrap();
    shop.confirmed(&ana).await.unwrap();
    shop.drain().await;
    let told: Vec<_> = shop
        .deliveries(&ana)
        .await
        .iter()
        .map(|d| d.template)
        .collect();
    assert_eq!(told, [Template::OrderCancelled, Template::Welcome]);
}

#[sqlx::test(migrations = false)]
async fn confirmations_that_come_together_are_told_once_each(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let (ana, eve, zoe) = (shop.ana().await, shop.ana().await, shop.ana().await);
    shop.cancelled(&eve).await.unwrap();
    let consumer = OnOrderConfirmed {
        app: shop.app.clone(),
    };
    let events = [&ana, &eve, &ana, &zoe].map(|who| Heard::here(who.confirmed.clone()));
    let mut tx = shop.app.db.begin().await.unwrap();
    consumer.handle_all(&mut tx, events.into()).await.unwrap();
    tx.commit().await.unwrap();
    shop.drain().await;

    for (who, template) in [
        (&ana, Template::OrderConfirmed),
        (&eve, Template::OrderCancelled),
        (&zoe, Template::OrderConfirmed),
    ] {
        let told: Vec<_> = shop.deliveries(who).await;
        assert_eq!(told.len(), 2, "besides the welcome");
        assert_eq!(told[0].template, template);
        assert_eq!(told[0].status, Status::Sent);
    }
}

#[sqlx::test(migrations = false)]
async fn a_parcel_and_each_return_are_told_once(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.ana().await;
    for _ in 0..2 {
        shop.confirmed(&ana).await.unwrap();
        shop.shipped(&ana).await.unwrap();
        shop.returned(&ana, Uuid::from_u128(1)).await.unwrap();
        shop.returned(&ana, Uuid::from_u128(2)).await.unwrap();
    }
    shop.drain().await;
    let mails = mails(directory.path());
    let containing = |text: &str| mails.iter().filter(|mail| mail.1.contains(text)).count();
    assert_eq!(mails.len(), 5);
    assert_eq!(containing("Tracking code 00340434"), 1);
    assert_eq!(containing("EUR 42.00 are on their way back"), 2);
}

#[sqlx::test(migrations = false)]
async fn an_event_that_makes_no_sense_is_refused(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let good = shop.somebody("ana@example.com", "Ana");
    let with = |registered: AccountRegistered, confirmed: OrderConfirmed| Somebody {
        registered,
        confirmed,
        cancelled: good.cancelled.clone(),
    };
    let no_address = AccountRegistered {
        email: "a@b\r\nBcc: c@d".to_owned(),
        ..good.registered.clone()
    };
    let no_total = OrderConfirmed {
        total: None,
        ..good.confirmed.clone()
    };
    let no_order = OrderConfirmed {
        order_id: "7".to_owned(),
        ..good.confirmed.clone()
    };

    let refused = [
        shop.registered(&with(no_address, good.confirmed.clone()))
            .await,
        shop.confirmed(&with(good.registered.clone(), no_total))
            .await,
        shop.confirmed(&with(good.registered.clone(), no_order))
            .await,
    ];
    for outcome in refused {
        assert!(
            matches!(outcome, Err(ConsumeError::Reject(_))),
            "{outcome:?}"
        );
    }
}
