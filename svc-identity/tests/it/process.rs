//! The whole process: its ports, its policies, its own tokens.

use std::{net::TcpListener, str::FromStr as _, time::Duration};

use clap::Parser as _;
use proto::souk::identity::v1::{self as pb, identity_service_client::IdentityServiceClient};
use sqlx::PgPool;
use svc_identity::{app::App, config::Config};
use svc_kit::{Shutdown, testing};
use tonic::{
    Code, Request,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

use crate::harness::{PASSWORD, body, email};

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The address of the test's own database.
fn database_url(pool: &PgPool) -> String {
    let base = testing::server_url("DATABASE_URL");
    let (server, _) = base.rsplit_once('/').unwrap();
    let options = pool.connect_options();
    format!("{server}/{}", options.get_database().unwrap())
}

async fn connected(port: u16) -> IdentityServiceClient<Channel> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let url = format!("http://127.0.0.1:{port}");
        match Endpoint::from_shared(url).unwrap().connect().await {
            Ok(channel) => return IdentityServiceClient::new(channel),
            Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::from_str(&format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

#[sqlx::test(migrations = false)]
async fn a_customer_comes_and_goes(pool: PgPool) {
    let (port, admin) = (free_port(), free_port());
    let staff = email();
    let config = Config::parse_from([
        "svc-identity".to_owned(),
        format!("--listen=127.0.0.1:{port}"),
        format!("--admin-listen=127.0.0.1:{admin}"),
        format!("--database-url={}", database_url(&pool)),
        format!("--redis-url={}", testing::server_url("SOUK_TEST_REDIS_URL")),
        format!("--nats-url={}", testing::server_url("SOUK_TEST_NATS_URL")),
        format!("--jwks-url=http://127.0.0.1:{port}/.well-known/jwks.json"),
        format!("--staff-email={staff}"),
        format!("--staff-password={PASSWORD}"),
    ]);
    let shutdown = Shutdown::new();
    let process = App::build(config).await.unwrap();
    let running = tokio::spawn(process.run_until_stopped(shutdown.clone()));
    let mut client = connected(port).await;

    let email = email();
    let register = pb::RegisterRequest {
        email: email.clone(),
        password: PASSWORD.to_owned(),
        display_name: "Ada".to_owned(),
    };
    let tokens = body(client.register(register).await.unwrap())
        .tokens
        .unwrap();
    let profile = with_token(&tokens.access_token, pb::GetProfileRequest {});
    let profile = body(client.get_profile(profile).await.unwrap());
    assert_eq!(profile.email, email);

    let nobody = client.get_profile(pb::GetProfileRequest {}).await;
    assert_eq!(nobody.unwrap_err().code(), Code::Unauthenticated);

    let log_out = with_token(&tokens.access_token, pb::LogOutRequest {});
    client.log_out(log_out).await.unwrap();
    let refresh = pb::RefreshTokensRequest {
        refresh_token: tokens.refresh_token,
    };
    let refused = client.refresh_tokens(refresh).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);

    let log_in = pb::LogInRequest {
        email: staff,
        password: PASSWORD.to_owned(),
    };
    let account = body(client.log_in(log_in).await.unwrap()).account.unwrap();
    assert_eq!(account.roles, ["customer", "staff"]);

    let ready = reqwest::get(format!("http://127.0.0.1:{admin}/readyz")).await;
    assert!(ready.unwrap().status().is_success());

    shutdown.stop();
    running.await.unwrap().unwrap();
}
