//! Pruning what no stream can deliver again.

use sqlx::PgPool;
use svc_kit::{
    db::Db,
    inbox::Prune,
    job::{Job as _, Progress},
};

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn claims_are_kept_for_as_long_as_their_event(pool: PgPool) {
    sqlx::query(
        "INSERT INTO inbox (consumer, event_id, create_time)
         SELECT 'test', gen_random_uuid(), now() - age
         FROM unnest(ARRAY[interval '0', interval '7 days', interval '9 days', interval '1 year']) AS age",
    )
    .execute(&pool)
    .await
    .unwrap();
    let prune = Prune::new(Db::from_pool(pool.clone()));
    while prune.step().await.unwrap() == Progress::More {}
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM inbox")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, 2);
}
