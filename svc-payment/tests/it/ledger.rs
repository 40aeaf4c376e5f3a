use proto::souk::payment::v1::{
    GetLedgerRequest, Ledger, payment_service_server::PaymentService as _,
};
use sqlx::PgPool;
use svc_payment::{get_ledger::get_ledger, grpc::Grpc, ledger::Account};
use tonic::{Code, Request, Status};

use crate::harness::{FEE, Harness, by_staff};

const TRANSACTION: &str =
    "INSERT INTO ledger_transactions (id, order_id, kind, source_id, create_time)
    VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', 'sale',
            '00000000-0000-0000-0000-000000000003', now())";

fn entries(lines: &[(&str, &str, i64)]) -> String {
    let values: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(position, (account, currency, minor))| {
            format!(
                "('00000000-0000-0000-0000-000000000001', {position},
                  '00000000-0000-0000-0000-000000000002', '{account}', '{currency}', {minor})"
            )
        })
        .collect();
    format!(
        "INSERT INTO ledger_entries (transaction_id, position, order_id, account, currency, amount_minor)
         VALUES {}",
        values.join(", ")
    )
}

/// Writes a transaction with these lines, if the database takes it.
async fn book(pool: &PgPool, lines: &[(&str, &str, i64)]) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query(TRANSACTION).execute(&mut *tx).await?;
    if !lines.is_empty() {
        sqlx::query(sqlx::AssertSqlSafe(entries(lines)))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

#[sqlx::test(migrations = false)]
async fn the_database_takes_only_what_balances_in_each_currency(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let unbalanced: [&[(&str, &str, i64)]; 4] = [
        &[],
        &[("revenue", "EUR", -1)],
        &[("customer_receivable", "EUR", 2), ("revenue", "EUR", -1)],
        &[("customer_receivable", "EUR", 1), ("revenue", "USD", -1)],
    ];
    for lines in unbalanced {
        let refused = book(&shop.pool, lines).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert_eq!(refused.constraint(), Some("ledger_balanced"), "{refused}");
    }
    book(
        &shop.pool,
        &[("customer_receivable", "EUR", 1), ("revenue", "EUR", -1)],
    )
    .await
    .unwrap();
}

#[sqlx::test(migrations = false)]
async fn what_was_booked_is_never_changed_or_deleted(pool: PgPool) {
    let shop = Harness::new(pool).await;
    shop.requested("tok_ok").await;
    shop.drain().await;
    for sql in [
        "UPDATE ledger_entries SET amount_minor = amount_minor * 2",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "UPDATE ledger_transactions SET kind = 'refund'",
        "DELETE FROM ledger_transactions",
        "TRUNCATE ledger_transactions CASCADE",
    ] {
        let refused = sqlx::query(sql).execute(&shop.pool).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert_eq!(
            refused.constraint(),
            Some("ledger_append_only"),
            "{sql}: {refused}"
        );
    }
}

#[sqlx::test(migrations = false)]
async fn what_was_booked_is_not_booked_again(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.drain().await;
    for kind in ["sale", "settlement", "fee", "refund"] {
        let again = sqlx::query(
            "INSERT INTO ledger_transactions (id, order_id, kind, source_id, create_time)
             SELECT gen_random_uuid(), order_id, kind, source_id, now()
             FROM ledger_transactions WHERE kind = $1",
        );
        let refused = again.bind(kind).execute(&shop.pool).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert!(refused.is_unique_violation(), "{kind}: {refused}");
    }
}

#[sqlx::test(migrations = false)]
async fn the_whole_ledger_sums_to_zero(pool: PgPool) {
    let shop = Harness::new(pool).await;
    shop.requested("tok_ok").await;
    shop.requested("tok_declined").await;
    let cancelled = shop.requested("tok_ok").await;
    shop.drain().await;
    shop.hear_cancelled(&cancelled).await.unwrap();
    shop.drain().await;

    let all = get_ledger(&shop.app, None).await.unwrap();
    let of = |account| all.iter().find(|b| b.account == account).unwrap().minor;
    assert_eq!(of(Account::CashAtProvider), 42_00 - 2 * i128::from(FEE));
    assert_eq!(of(Account::Fees), 2 * i128::from(FEE));
    assert_eq!(of(Account::CustomerReceivable), 0);
    assert_eq!(of(Account::Revenue), -84_00);
    assert_eq!(of(Account::Refunds), 42_00);

    let order_id = cancelled.order_id.parse().unwrap();
    let of_order = get_ledger(&shop.app, Some(order_id)).await.unwrap();
    assert_eq!(of_order.iter().map(|b| b.minor).sum::<i128>(), 0);
    // The provider has kept its fee.
    let cash = of_order
        .iter()
        .find(|b| b.account == Account::CashAtProvider)
        .unwrap();
    assert_eq!(cash.minor, -i128::from(FEE));
}

#[sqlx::test(migrations = false)]
async fn parts_that_went_back_leave_the_rest(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let grpc = Grpc::new(shop.app.clone());
    for minor in [2_00, 3_00] {
        grpc.refund_payment(by_staff(shop.refund(&request, minor)))
            .await
            .unwrap();
        shop.drain().await;
        let order_id = request.order_id.parse().unwrap();
        let of_order = get_ledger(&shop.app, Some(order_id)).await.unwrap();
        assert_eq!(of_order.iter().map(|b| b.minor).sum::<i128>(), 0);
    }
    assert_eq!(
        shop.books(&request).await,
        [
            (Account::CashAtProvider, 37_00 - FEE),
            (Account::Fees, FEE),
            (Account::Refunds, 5_00),
            (Account::Revenue, -42_00),
        ]
    );
}

/// Ways to slip an unbalanced entry past the check.
#[sqlx::test(migrations = false)]
async fn no_trick_unbalances_the_ledger(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    let before = shop.books(&request).await;
    let add = |account: &str, currency: &str, minor: i64| {
        format!(
            "INSERT INTO ledger_entries
                 (transaction_id, position, order_id, account, currency, amount_minor)
             SELECT id, 7, order_id, '{account}', '{currency}', {minor}
             FROM ledger_transactions WHERE kind = 'fee'"
        )
    };
    let add_both = |currency: &str| {
        let other = add("cash_at_provider", currency, -1).replace(", 7,", ", 8,");
        format!("WITH other AS ({}) {other}", add("fees", "EUR", 1))
    };
    let tricks = [
        // A further line of a transaction that balanced.
        vec![add("fees", "EUR", 1)],
        // The other side of it in another currency.
        vec![add_both("USD")],
        // Checked while it balances, changed afterwards.
        vec![
            add_both("EUR"),
            "SET CONSTRAINTS ALL IMMEDIATE".to_owned(),
            "SET CONSTRAINTS ALL DEFERRED".to_owned(),
            add("fees", "EUR", 1).replace(", 7,", ", 9,"),
        ],
        // Written in a part of the transaction that is taken for granted.
        vec![
            "SAVEPOINT trick".to_owned(),
            add("fees", "EUR", 1),
            "RELEASE SAVEPOINT trick".to_owned(),
        ],
    ];
    for statements in tricks {
        let refused = write(&shop.pool, &statements).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert_eq!(
            refused.constraint(),
            Some("ledger_balanced"),
            "{statements:?}: {refused}"
        );
    }
    assert_eq!(shop.books(&request).await, before);
    // What balances is taken: it was the rest that was refused.
    write(&shop.pool, &[add_both("EUR")]).await.unwrap();
}

/// Runs statements in one transaction, if the database takes it.
async fn write(pool: &PgPool, statements: &[String]) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    for sql in statements {
        sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

async fn ask(shop: &Harness) -> Result<Ledger, Status> {
    let request = Request::new(GetLedgerRequest::default());
    let answer = Grpc::new(shop.app.clone()).get_ledger(request).await?;
    Ok(answer.into_inner())
}

#[sqlx::test(migrations = false)]
async fn balances_beyond_a_bigint_are_answered(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let lines = [
        ("customer_receivable", "EUR", i64::MAX),
        ("revenue", "EUR", -i64::MAX),
    ]
    .repeat(3);
    book(&shop.pool, &lines).await.unwrap();

    let sum = 3 * i128::from(i64::MAX);
    let balances = get_ledger(&shop.app, None).await.unwrap();
    let sums: Vec<_> = balances.iter().map(|b| (b.account, b.minor)).collect();
    assert_eq!(
        sums,
        [(Account::CustomerReceivable, sum), (Account::Revenue, -sum)]
    );

    let units = i64::try_from(sum / 100).unwrap();
    let nanos = i32::try_from(sum % 100 * 10_000_000).unwrap();
    let answered: Vec<_> = ask(&shop)
        .await
        .unwrap()
        .balances
        .into_iter()
        .map(|line| line.balance.unwrap())
        .map(|balance| (balance.units, balance.nanos))
        .collect();
    assert_eq!(answered, [(units, nanos), (-units, -nanos)]);
}

#[sqlx::test(migrations = false)]
async fn a_balance_of_more_units_than_an_answer_holds_is_refused(pool: PgPool) {
    let shop = Harness::new(pool).await;
    // A yen has no smaller unit.
    let lines = [
        ("customer_receivable", "JPY", i64::MAX),
        ("revenue", "JPY", -i64::MAX),
    ]
    .repeat(3);
    book(&shop.pool, &lines).await.unwrap();

    let refused = ask(&shop).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert_eq!(
        refused.message(),
        "the balance of customer_receivable is too large to be answered"
    );
}
