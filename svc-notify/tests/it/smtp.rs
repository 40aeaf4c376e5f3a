use sqlx::PgPool;
use svc_kit::job::Progress;
use svc_notify::{delivery::Status, send_delivery::send};

use crate::{
    harness::{Harness, LONG},
    smtp_server::{SmtpServer, free_port, python, url},
};

#[sqlx::test(migrations = false)]
async fn a_mail_server_takes_the_mail(pool: PgPool) {
    let Some(python) = python() else { return };
    let server = SmtpServer::start(&python, 0).await;
    let shop = Harness::with_smtp(pool, server.url()).await;
    let zoe = shop.somebody("zoe@example.com", "Zoë\r\nBcc: all@example.com");
    shop.registered(&zoe).await.unwrap();
    shop.confirmed(&zoe).await.unwrap();
    shop.drain().await;

    let deliveries = shop.deliveries(&zoe).await;
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.status == Status::Sent),
        "{deliveries:?}"
    );
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    for delivery in &deliveries {
        let id = format!("Message-ID: <{}@souk.example>", delivery.id);
        let mail = mails.iter().find(|mail| mail.contains(&id)).unwrap();
        assert!(mail.contains("X-RcptTo: zoe@example.com\n"), "{mail}");
        assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_rejected_address_fails_and_a_busy_server_is_asked_again(pool: PgPool) {
    let Some(python) = python() else { return };
    let server = SmtpServer::start(&python, 0).await;
    let shop = Harness::with_smtp(pool, server.url()).await;
    let rejected = shop.somebody("rejected@example.com", "");
    let later = shop.somebody("later@example.com", "");
    shop.registered(&rejected).await.unwrap();
    shop.registered(&later).await.unwrap();
    shop.drain().await;

    for (who, status, code) in [
        (&rejected, Status::Failed, "SMTP_550"),
        (&later, Status::Queued, "SMTP_451"),
    ] {
        let delivery = &shop.deliveries(who).await[0];
        assert_eq!(delivery.status, status);
        // The server's words have the address in them; only the code is kept.
        assert_eq!(delivery.last_error.as_deref(), Some(code));
    }
    shop.clock.advance(LONG);
    shop.drain().await;
    assert_eq!(shop.deliveries(&rejected).await[0].attempts, 1);
    assert_eq!(shop.deliveries(&later).await[0].attempts, 2);
}

#[sqlx::test(migrations = false)]
async fn each_of_those_that_are_sent_together_goes_its_own_way(pool: PgPool) {
    let Some(python) = python() else { return };
    let server = SmtpServer::start(&python, 0).await;
    let shop = Harness::with_smtp(pool, server.url()).await;
    let people = [
        "slow@example.com",
        "rejected@example.com",
        "ana@example.com",
    ];
    let people = people.map(|email| shop.somebody(email, ""));
    for who in &people {
        shop.registered(who).await.unwrap();
    }
    let [slow, rejected, ana] = &people;

    let step = tokio::spawn({
        let shop = shop.clone();
        async move { shop.step().await }
    });
    shop.until(ana, Status::Sent).await;
    shop.until(rejected, Status::Failed).await;
    assert_eq!(shop.deliveries(slow).await[0].status, Status::Queued);
    assert!(!step.is_finished(), "all were claimed by one step");
    assert_eq!(step.await.unwrap(), Progress::More);

    assert_eq!(shop.deliveries(slow).await[0].status, Status::Sent);
    assert_eq!(shop.step().await, Progress::Idle);
    assert_eq!(server.mails().len(), 2);
}

#[sqlx::test(migrations = false)]
async fn mail_waits_while_the_server_is_away(pool: PgPool) {
    let Some(python) = python() else { return };
    let port = free_port();
    let shop = Harness::with_smtp(pool, url(port)).await;
    let ana = shop.ana().await;
    shop.drain().await;
    let delivery = &shop.deliveries(&ana).await[0];
    assert_eq!(delivery.status, Status::Queued);
    assert_eq!(delivery.last_error.as_deref(), Some("CONNECTION"));

    let server = SmtpServer::start(&python, port).await;
    shop.clock.advance(LONG);
    shop.drain().await;

    assert_eq!(shop.deliveries(&ana).await[0].status, Status::Sent);
    assert_eq!(server.mails().len(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_mail_that_is_sent_twice_has_one_message_id(pool: PgPool) {
    let Some(python) = python() else { return };
    let server = SmtpServer::start(&python, 0).await;
    let shop = Harness::with_smtp(pool, server.url()).await;
    let ana = shop.ana().await;
    let claimed = shop.claim().await;
    send(&shop.app, &claimed).await.unwrap();
    // Crash: sent, not recorded.
    shop.clock.advance(LONG);
    shop.drain().await;

    assert_eq!(shop.deliveries(&ana).await[0].status, Status::Sent);
    let ids: Vec<_> = server
        .mails()
        .iter()
        .map(|mail| {
            mail.lines()
                .find(|line| line.starts_with("Message-ID:"))
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}
