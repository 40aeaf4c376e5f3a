//! Strings that break programs, wherever a string can go: they are taken or
//! refused, and never an internal error.

use std::path::Path;

use proto::souk::identity::v1 as pb;
use sqlx::PgPool;
use tonic::Code;

use crate::harness::{Harness, PASSWORD, email, home};

/// The collection, or none when it is not beside the repository.
fn naughty_strings() -> Option<Vec<String>> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/naughty_strings/blns.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

#[track_caller]
fn assert_answered<T>(outcome: Result<T, tonic::Status>, text: &str) -> bool {
    match outcome {
        Ok(_) => true,
        Err(status) => {
            let expected = [
                Code::InvalidArgument,
                Code::AlreadyExists,
                Code::Unauthenticated,
            ];
            assert!(expected.contains(&status.code()), "{text:?}: {status:?}");
            false
        }
    }
}

#[sqlx::test(migrations = false)]
async fn names_and_passwords_are_taken_or_refused(pool: PgPool) {
    let Some(texts) = naughty_strings() else {
        return;
    };
    let identity = Harness::new(pool).await;
    let mut taken = 0;
    for text in &texts {
        let address = email();
        let first = identity.register(&address, text, text).await;
        if !assert_answered(first, text) {
            let second = identity.register(&address, PASSWORD, text).await;
            taken += usize::from(assert_answered(second, text));
            continue;
        }
        taken += 1;
        // Each of these costs a hash more: not all of them.
        if taken % 10 == 0 {
            assert!(identity.log_in(&address, text).await.is_ok(), "{text:?}");
        }
    }
    assert!(taken > texts.len() / 2, "{taken} of {}", texts.len());
}

#[sqlx::test(migrations = false)]
async fn mail_addresses_and_tokens_are_taken_or_refused(pool: PgPool) {
    let Some(texts) = naughty_strings() else {
        return;
    };
    let identity = Harness::new(pool).await;
    for text in &texts {
        assert_answered(identity.register(text, PASSWORD, "Ada").await, text);
        let refresh = pb::Tokens {
            refresh_token: text.clone(),
            ..pb::Tokens::default()
        };
        assert!(!assert_answered(identity.refresh(&refresh).await, text));
    }
    // Each of these costs a hash too.
    for text in texts.iter().step_by(10) {
        assert_answered(identity.log_in(text, text).await, text);
    }
}

#[sqlx::test(migrations = false)]
async fn addresses_come_back_as_they_were_taken(pool: PgPool) {
    let Some(texts) = naughty_strings() else {
        return;
    };
    let identity = Harness::new(pool).await;
    for chunk in texts.chunks(10) {
        let ada = identity.given_account().await;
        for text in chunk {
            let mut saved = home();
            text.clone_into(&mut saved.label);
            let address = saved.address.as_mut().unwrap();
            text.clone_into(&mut address.recipient);
            address.address_lines = vec![text.clone()];
            text.clone_into(&mut address.postal_code);
            let outcome = identity.create_address(&ada, saved).await;
            if let Ok(answer) = &outcome {
                assert!(identity.addresses(&ada).await.contains(answer), "{text:?}");
            }
            assert_answered(outcome, text);
        }
    }
}
