use std::os::unix::fs::PermissionsExt as _;

use sqlx::PgPool;
use svc_notify::{delivery::Status, send_delivery::send};

use crate::harness::{Harness, LONG, directory, mails};

#[sqlx::test(migrations = false)]
async fn a_mail_is_a_complete_file_named_by_its_delivery(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.ana().await;
    shop.drain().await;

    let delivery = &shop.deliveries(&ana).await[0];
    assert_eq!(delivery.status, Status::Sent);
    let mails = mails(directory.path());
    assert_eq!(mails.len(), 1, "{mails:?}");
    let (name, mail) = &mails[0];
    assert_eq!(name, &format!("{}.eml", delivery.id));
    for line in [
        format!("Message-ID: <{}@souk.example>\r\n", delivery.id),
        "From: Souk <shop@souk.example>\r\n".to_owned(),
        "To: Ana <ana@example.com>\r\n".to_owned(),
        "Subject: Welcome to Souk\r\n".to_owned(),
        "Hello Ana,".to_owned(),
    ] {
        assert!(mail.contains(&line), "{line} is missing in {mail}");
    }
    let file = std::fs::metadata(directory.path().join(name)).unwrap();
    assert_eq!(file.permissions().mode() & 0o077, 0, "others can read it");
}

#[sqlx::test(migrations = false)]
async fn a_crash_before_the_outcome_was_recorded_leaves_one_file(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.ana().await;

    let claimed = shop.claim().await;
    send(&shop.app, &claimed).await.unwrap();
    let before = mails(directory.path());
    // Crash: sent, not recorded.
    shop.drain().await;
    assert_eq!(
        shop.deliveries(&ana).await[0].status,
        Status::Queued,
        "the lease keeps others away"
    );
    shop.clock.advance(LONG);
    shop.drain().await;

    let delivery = &shop.deliveries(&ana).await[0];
    assert_eq!((delivery.status, delivery.attempts), (Status::Sent, 2));
    let after = mails(directory.path());
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].0, before[0].0);
}

#[sqlx::test(migrations = false)]
async fn a_directory_that_cannot_be_written_is_tried_again(pool: PgPool) {
    let directory = directory();
    let taken = directory.path().join("mail");
    std::fs::write(&taken, "a file where the directory should be").unwrap();
    let shop = Harness::with_files(pool, &taken).await;
    let ana = shop.ana().await;
    shop.drain().await;
    let delivery = &shop.deliveries(&ana).await[0];
    assert_eq!(delivery.status, Status::Queued);
    assert_eq!(delivery.last_error.as_deref(), Some("FILE"));

    std::fs::remove_file(&taken).unwrap();
    shop.clock.advance(LONG);
    shop.drain().await;
    assert_eq!(shop.deliveries(&ana).await[0].status, Status::Sent);
    assert_eq!(mails(&taken).len(), 1);
}

#[sqlx::test(migrations = false)]
async fn no_name_writes_a_header(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let names = [
        "Eve\r\nBcc: all@example.com".to_owned(),
        "Eve\nX-Evil: 1\n\nbody".to_owned(),
        "\"Eve\" <eve@example.org>, other@example.org".to_owned(),
        "Zoë 😀 Ünïcode".to_owned(),
        "=?utf-8?q?=0D=0ABcc:_x?=".to_owned(),
        "x".repeat(100_000),
        "\u{202e}live\u{0}".to_owned(),
    ];
    for name in &names {
        shop.registered(&shop.somebody("eve@example.com", name))
            .await
            .unwrap();
    }
    shop.drain().await;

    let mails = mails(directory.path());
    assert_eq!(mails.len(), names.len());
    let known = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    ];
    for (_, mail) in mails {
        let head = mail.split("\r\n\r\n").next().unwrap();
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut fields = Vec::new();
        for line in unfolded.split("\r\n") {
            let (field, value) = line.split_once(": ").unwrap();
            assert!(known.contains(&field), "{line}");
            assert!(!fields.contains(&field), "{field} twice");
            assert!(!value.contains(['\r', '\n']), "{line:?}");
            fields.push(field);
        }
        let to = unfolded
            .split("\r\n")
            .find(|line| line.starts_with("To: "))
            .unwrap();
        assert!(to.ends_with("<eve@example.com>"), "{to}");
        assert!(
            head.split("\r\n").all(|line| line.len() <= 998),
            "RFC 5322 line limit"
        );
    }
}
