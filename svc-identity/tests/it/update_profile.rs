//! UpdateProfile.

use proto::souk::identity::v1::{self as pb, identity_service_server::IdentityService as _};
use sqlx::PgPool;
use tonic::{Code, Status};

use crate::harness::{Customer, Harness, assert_refused, body};

async fn rename(
    identity: &Harness,
    customer: &Customer,
    display_name: &str,
    etag: &str,
    mask: Option<&[&str]>,
) -> Result<pb::Account, Status> {
    let request = pb::UpdateProfileRequest {
        account: Some(pb::Account {
            display_name: display_name.to_owned(),
            email: "eve@example.com".to_owned(),
            roles: vec!["staff".to_owned()],
            etag: etag.to_owned(),
            ..pb::Account::default()
        }),
        update_mask: mask.map(|paths| prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let request = customer.asks(request);
    identity.grpc.update_profile(request).await.map(body)
}

#[sqlx::test(migrations = false)]
async fn the_display_name_alone_changes(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let before = identity.profile(&ada).await;

    for mask in [Some(&["display_name"][..]), Some(&[]), None] {
        let changed = rename(&identity, &ada, "Augusta", "", mask).await.unwrap();
        assert_eq!(changed.display_name, "Augusta");
    }

    let after = identity.profile(&ada).await;
    assert_eq!(after.display_name, "Augusta");
    assert_eq!(after.email, before.email);
    assert_eq!(after.roles, before.roles);
    assert_ne!(after.etag, before.etag);
}

#[sqlx::test(migrations = false)]
async fn nothing_else_can_be_named(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    for path in ["email", "roles", "id", ""] {
        let mask = ["display_name", path];
        let outcome = rename(&identity, &ada, "Augusta", "", Some(&mask)).await;
        assert_refused(outcome, Code::InvalidArgument, "FIELD_INVALID");
    }
    assert_eq!(identity.profile(&ada).await.display_name, "Ada");
}

#[sqlx::test(migrations = false)]
async fn a_stale_etag_changes_nothing(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let etag = identity.profile(&ada).await.etag;
    rename(&identity, &ada, "Augusta", &etag, None)
        .await
        .unwrap();

    for stale in [etag.as_str(), "nonsense"] {
        let outcome = rename(&identity, &ada, "Byron", stale, None).await;
        assert_refused(outcome, Code::Aborted, "ETAG_STALE");
    }
    assert_eq!(identity.profile(&ada).await.display_name, "Augusta");
}

#[sqlx::test(migrations = false)]
async fn a_bad_name_is_refused(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    for name in ["", " ", "a\0b", &"x".repeat(101)] {
        let outcome = rename(&identity, &ada, name, "", None).await;
        assert_refused(outcome, Code::InvalidArgument, "FIELD_INVALID");
    }
}
