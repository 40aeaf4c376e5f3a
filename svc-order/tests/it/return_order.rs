//! Taking back some of an order.

use proto::souk::event::v1 as event;
use sqlx::PgPool;
use svc_kit::{caller::Caller, error::Kind, money::Money, testing};
use svc_order::{
    deliver_order::deliver_order,
    error::Error,
    order::{
        Fingerprint, OrderId, RequestKey,
        returns::{Return, ReturnedItem},
    },
    product::ProductId,
    return_order::{ReturnOrder, return_order},
};

use crate::support::{
    RETURNED, Shop, at_once, eur, is_rejected, kind, reason, refunded_part, uuid,
};

fn item(product_id: ProductId, quantity: i32, restock: bool) -> ReturnedItem {
    ReturnedItem {
        product_id,
        quantity,
        restock,
    }
}

fn back(order_id: OrderId, items: &[ReturnedItem], refund: Option<Money>) -> ReturnOrder {
    ReturnOrder {
        order_id,
        request: RequestKey {
            id: uuid(),
            fingerprint: Fingerprint([7; 32]),
        },
        items: items.to_vec(),
        refund,
        reason: "arrived broken".to_owned(),
    }
}

async fn take(shop: &Shop, command: ReturnOrder) -> Result<Return, Error> {
    return_order(&shop.app, &staff(), command).await
}

fn staff() -> Caller {
    testing::caller()
}

/// The last return that was announced.
async fn announced(shop: &Shop) -> event::OrderReturned {
    let payload: Vec<u8> = sqlx::query_scalar(
        "SELECT payload FROM outbox WHERE subject = $1 ORDER BY seq DESC LIMIT 1",
    )
    .bind(RETURNED)
    .fetch_one(shop.db().writer())
    .await
    .unwrap();
    prost::Message::decode(&payload[..]).unwrap()
}

async fn announcements(shop: &Shop) -> usize {
    let all = shop.outbox().await;
    all.iter().filter(|subject| *subject == RETURNED).count()
}

#[sqlx::test(migrations = false)]
async fn what_came_back_is_refunded_at_its_price_and_restocked(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, tent, mug) = shop.given_shipped_camp().await;
    let items = [
        item(tent, 1, true),
        item(tent, 1, false),
        item(mug, 1, true),
    ];

    let returned = take(&shop, back(order.id, &items, None)).await.unwrap();

    assert_eq!(returned.refund, eur(93_00));
    let now = shop.reload(order.id).await;
    assert_eq!([now.lines[0].returned, now.lines[1].returned], [2, 1]);
    assert_eq!(now.refunded_total, eur(0), "nothing went back yet");
    assert!(now.version > order.version, "the customer sees it");

    let event = announced(&shop).await;
    assert_eq!(event.order_id, order.id.to_string());
    assert_eq!(event.return_id, returned.id.to_string());
    assert_eq!(event.refund, Some(eur(93_00).into()));
    let restocked = |product: ProductId| event::OrderedLine {
        product_id: product.to_string(),
        quantity: 1,
    };
    assert_eq!(event.restocked, [restocked(tent), restocked(mug)]);
}

#[sqlx::test(migrations = false)]
async fn the_refund_of_a_return_is_noted(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, tent, _) = shop.given_shipped_camp().await;
    deliver_order(&shop.app, order.id).await.unwrap();
    let returned = take(&shop, back(order.id, &[item(tent, 1, true)], None))
        .await
        .unwrap();
    let refund = event::PaymentRefunded {
        return_id: returned.id.to_string(),
        ..refunded_part(&order, 42_00)
    };
    for _ in 0..2 {
        shop.refunded(refund.clone()).await.unwrap();
    }
    let now = shop.reload(order.id).await;
    assert_eq!((now.refunded_total, now.owed), (eur(42_00), eur(0)));
    assert_eq!(now.left_to_refund(), eur(93_00));
    assert!(!now.refunded);
}

#[sqlx::test(migrations = false)]
async fn a_repeat_gets_the_first_answer(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, tent, mug) = shop.given_shipped_camp().await;
    let command = back(order.id, &[item(tent, 1, true)], None);

    let answers = at_once(10, |_| {
        let (app, command) = (shop.app.clone(), command.clone());
        async move { return_order(&app, &staff(), command).await.unwrap() }
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(announcements(&shop).await, 1);

    let mut other = command.clone();
    other.items = vec![item(mug, 1, true)];
    other.request.fingerprint = Fingerprint([8; 32]);
    let error = take(&shop, other).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "REQUEST_ID_REUSED")
    );

    // Of another order it is another request.
    let (another, tent, _) = shop.given_shipped_camp().await;
    let mut other = back(another.id, &[item(tent, 1, true)], None);
    other.request = RequestKey {
        fingerprint: Fingerprint([9; 32]),
        ..command.request
    };
    let error = take(&shop, other).await.unwrap_err();
    assert_eq!(reason(&error), "REQUEST_ID_REUSED");
    assert_eq!(announcements(&shop).await, 1);
}

#[sqlx::test(migrations = false)]
async fn no_more_comes_back_than_was_bought(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, tent, mug) = shop.given_shipped_camp().await;
    let two = [item(tent, 1, true), item(tent, 1, true)];
    take(&shop, back(order.id, &two, None)).await.unwrap();

    for (items, product, left) in [
        (vec![item(tent, 1, true), item(tent, 1, true)], tent, "0"),
        (vec![item(tent, 2, true)], tent, "1"),
        (vec![item(mug, 2, false)], mug, "1"),
        (
            vec![item(ProductId(uuid::Uuid::nil()), 1, true)],
            ProductId(uuid::Uuid::nil()),
            "0",
        ),
    ] {
        let error = take(&shop, back(order.id, &items, None)).await.unwrap_err();
        assert_eq!(
            (kind(&error), reason(&error)),
            (Kind::Conflict, "RETURN_EXCEEDS_ORDER")
        );
        assert_eq!(
            svc_kit::error::ServiceError::metadata(&error),
            [
                ("product_id", product.to_string()),
                ("left", left.to_owned())
            ]
        );
    }
    assert_eq!(announcements(&shop).await, 1);
}

#[sqlx::test(migrations = false)]
async fn of_many_at_once_only_as_many_come_back_as_were_bought(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, tent, _) = shop.given_shipped_camp().await;
    let outcomes = at_once(10, |_| {
        let app = shop.app.clone();
        let command = back(order.id, &[item(tent, 1, true)], None);
        async move { return_order(&app, &staff(), command).await }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    let now = shop.reload(order.id).await;
    assert_eq!((now.lines[0].returned, now.owed), (3, eur(12_600)));
}

#[sqlx::test(migrations = false)]
async fn no_more_goes_back_than_was_paid(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, tent, _) = shop.given_shipped_camp().await;
    // Staff gave something back already, and a return promised more.
    shop.refunded(refunded_part(&order, 10_000)).await.unwrap();
    let one = [item(tent, 1, true)];
    take(&shop, back(order.id, &one, Some(eur(30_00))))
        .await
        .unwrap();

    let error = take(&shop, back(order.id, &one, Some(eur(5_01))))
        .await
        .unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "REFUND_EXCEEDS_TOTAL")
    );
    let told = svc_kit::error::ServiceError::metadata(&error);
    assert!(told.contains(&("left_units", "5".to_owned())), "{told:?}");

    let usd = Money::new("USD".parse().unwrap(), 1);
    let error = take(&shop, back(order.id, &one, Some(usd)))
        .await
        .unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Invalid, "FIELD_INVALID")
    );

    // What the tent cost is more than is left: all that is left goes back.
    let rest = take(&shop, back(order.id, &one, None)).await.unwrap();
    assert_eq!(rest.refund, eur(5_00));
    let nothing = take(&shop, back(order.id, &one, None)).await.unwrap();
    assert_eq!(nothing.refund, eur(0));
    assert_eq!(announced(&shop).await.refund, None);
}

#[sqlx::test(migrations = false)]
async fn a_return_is_refunded_as_far_as_staff_left_something(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (order, tent, _) = shop.given_shipped_camp().await;
    take(&shop, back(order.id, &[item(tent, 1, true)], None))
        .await
        .unwrap();
    // Whoever pays did not wait for the promise.
    shop.refunded(refunded_part(&order, 13_500)).await.unwrap();
    let now = shop.reload(order.id).await;
    assert!(now.refunded);
    assert_eq!(now.owed, eur(0));
    assert!(is_rejected(
        &shop.refunded(refunded_part(&order, 42_00)).await
    ));
}

#[sqlx::test(migrations = false)]
async fn nothing_is_owed_once_a_return_got_what_staff_had_left(pool: PgPool) {
    let shop = Shop::new(pool).await;
    for staff_first in [true, false] {
        let (order, tent, mug) = shop.given_shipped_camp().await;
        // Staff's refund is on its way, and nobody knows of it here.
        let all = [item(tent, 3, true), item(mug, 1, true)];
        let returned = take(&shop, back(order.id, &all, None)).await.unwrap();
        assert_eq!(returned.refund, eur(13_500));

        let by_staff = refunded_part(&order, 10_000);
        let rest = event::PaymentRefunded {
            return_id: returned.id.to_string(),
            ..refunded_part(&order, 35_00)
        };
        let heard = if staff_first {
            [by_staff, rest]
        } else {
            [rest, by_staff]
        };
        for refund in heard {
            assert!(shop.reload(order.id).await.owed.minor > 0);
            shop.refunded(refund).await.unwrap();
        }

        let now = shop.reload(order.id).await;
        assert!(now.refunded);
        assert_eq!((now.refunded_total, now.owed), (eur(13_500), eur(0)));
    }
}

#[sqlx::test(migrations = false)]
async fn an_order_that_was_not_shipped_cannot_come_back(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    let tent = order.lines[0].product_id;
    let error = take(&shop, back(order.id, &[item(tent, 1, true)], None))
        .await
        .unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "ORDER_NOT_SHIPPED")
    );
    let error = take(&shop, back(OrderId(uuid()), &[item(tent, 1, true)], None))
        .await
        .unwrap_err();
    assert_eq!(reason(&error), "ORDER_NOT_FOUND");
}
