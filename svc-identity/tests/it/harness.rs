//! A service on a database of its own, called as its server would call it.

use std::time::Duration;

use chrono::DateTime;
use fred::clients::Pool;
use proto::souk::{
    identity::v1::{self as pb, identity_service_server::IdentityService as _},
    r#type::v1::Address,
};
use sqlx::PgPool;
use svc_identity::{
    MIGRATIONS, access_token::Issuer, app::App, grpc::Grpc, jobs::rotate_keys::rotate_keys, jwks,
};
use svc_kit::{
    auth::{AuthConfig, Claims, Verifier},
    caller::Caller,
    clock::Clock,
    random,
    redis::RedisConfig,
    testing,
};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Passwords that the service under test hashes at once.
pub(crate) const HASH_WORKERS: usize = 4;

pub(crate) struct Harness {
    pub(crate) app: App,
    pub(crate) grpc: Grpc,
    pub(crate) clock: Clock,
    pub(crate) verifier: Verifier,
}

impl Harness {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::on(pool, testing::redis().await).await
    }

    /// Nobody listens where its Redis should be.
    pub(crate) async fn without_redis(pool: PgPool) -> Self {
        let config = RedisConfig {
            url: "redis://127.0.0.1:1".to_owned().into(),
        };
        Self::on(pool, svc_kit::redis::connect(&config).await.unwrap()).await
    }

    async fn on(pool: PgPool, redis: Pool) -> Self {
        let db = testing::migrated(pool, &MIGRATIONS).await;
        let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let app = App::new(db, redis, clock.clone(), issuer(), HASH_WORKERS).unwrap();
        rotate_keys(&app).await.unwrap();
        let verifier = verifier(&app, &clock).await;
        Self {
            grpc: Grpc::new(app.clone()),
            app,
            clock,
            verifier,
        }
    }

    /// Another replica of this service.
    pub(crate) async fn replica(&self) -> App {
        let redis = testing::redis().await;
        App::new(self.app.db.clone(), redis, self.clock.clone(), issuer(), 1).unwrap()
    }

    pub(crate) async fn given_account(&self) -> Customer {
        let email = email();
        let answer = self.register(&email, PASSWORD, "Ada").await.unwrap();
        self.customer(email, answer.tokens.unwrap()).await
    }

    pub(crate) async fn customer(&self, email: String, tokens: pb::Tokens) -> Customer {
        let claims = self.claims(&tokens).await;
        Customer {
            email,
            tokens,
            caller: claims.into(),
        }
    }

    /// What a token says, if it is true.
    pub(crate) async fn claims(&self, tokens: &pb::Tokens) -> Claims {
        self.verifier.verify(&tokens.access_token).await.unwrap()
    }

    pub(crate) async fn register(
        &self,
        email: &str,
        password: &str,
        display_name: &str,
    ) -> Result<pb::RegisterResponse, Status> {
        let request = pb::RegisterRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            display_name: display_name.to_owned(),
        };
        self.grpc.register(Request::new(request)).await.map(body)
    }

    pub(crate) async fn log_in(
        &self,
        email: &str,
        password: &str,
    ) -> Result<pb::LogInResponse, Status> {
        let request = pb::LogInRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        self.grpc.log_in(Request::new(request)).await.map(body)
    }

    pub(crate) async fn refresh(&self, tokens: &pb::Tokens) -> Result<pb::Tokens, Status> {
        let request = pb::RefreshTokensRequest {
            refresh_token: tokens.refresh_token.clone(),
        };
        let answer = self.grpc.refresh_tokens(Request::new(request)).await?;
        Ok(body(answer).tokens.unwrap())
    }

    pub(crate) async fn log_out(&self, customer: &Customer) -> Result<(), Status> {
        let request = customer.asks(pb::LogOutRequest {});
        self.grpc.log_out(request).await.map(|_| ())
    }

    pub(crate) async fn profile(&self, customer: &Customer) -> pb::Account {
        let request = customer.asks(pb::GetProfileRequest {});
        body(self.grpc.get_profile(request).await.unwrap())
    }

    pub(crate) async fn addresses(&self, customer: &Customer) -> Vec<pb::SavedAddress> {
        let request = customer.asks(pb::ListAddressesRequest {});
        body(self.grpc.list_addresses(request).await.unwrap()).addresses
    }

    pub(crate) async fn create_address(
        &self,
        customer: &Customer,
        address: pb::SavedAddress,
    ) -> Result<pb::SavedAddress, Status> {
        let request = customer.asks(pb::CreateAddressRequest {
            address: Some(address),
        });
        self.grpc.create_address(request).await.map(body)
    }

    /// What waits to be published, oldest first, without what every start does.
    pub(crate) async fn outbox(&self) -> Vec<String> {
        let mut subjects = testing::outbox_subjects(&self.app.db).await;
        assert_eq!(subjects.remove(0), "souk.identity.signing_key_changed.v1");
        subjects
    }

    pub(crate) async fn revocations(&self) -> usize {
        let revoked = |subject: &&String| *subject == "souk.identity.session_revoked.v1";
        self.outbox().await.iter().filter(revoked).count()
    }
}

/// Somebody with an account who is logged in.
pub(crate) struct Customer {
    pub(crate) email: String,
    pub(crate) tokens: pb::Tokens,
    pub(crate) caller: Caller,
}

impl Customer {
    /// A request as the server hands it on when it has verified the token.
    pub(crate) fn asks<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(self.caller.clone());
        request
    }
}

pub(crate) fn body<T>(response: Response<T>) -> T {
    response.into_inner()
}

/// An address that no other test has: the counters in Redis are shared.
pub(crate) fn email() -> String {
    let [a, b] = random::bytes::<16>()
        .chunks(8)
        .fold([0; 2], |[_, last], chunk| {
            [last, u64::from_be_bytes(chunk.try_into().unwrap())]
        });
    format!("ada-{a:x}{b:x}@example.com")
}

pub(crate) fn home() -> pb::SavedAddress {
    pb::SavedAddress {
        id: String::new(),
        label: "home".to_owned(),
        address: Some(Address {
            recipient: "Ada Lovelace".to_owned(),
            address_lines: vec!["12 St James's Square".to_owned()],
            locality: "London".to_owned(),
            administrative_area: String::new(),
            postal_code: "SW1Y 4JH".to_owned(),
            region_code: "GB".to_owned(),
        }),
        is_default: false,
    }
}

pub(crate) fn labelled(label: &str) -> pb::SavedAddress {
    pb::SavedAddress {
        label: label.to_owned(),
        ..home()
    }
}

#[track_caller]
pub(crate) fn assert_refused<T>(outcome: Result<T, Status>, code: Code, reason: &str) {
    let status = outcome.err().expect("it was not refused");
    let details = status.get_error_details();
    assert_eq!(
        (status.code(), details.error_info().unwrap().reason.as_str()),
        (code, reason),
        "{status:?}"
    );
}

/// When it is worth trying again.
pub(crate) fn retry_after(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info()?.retry_delay
}

fn issuer() -> Issuer {
    Issuer {
        issuer: "souk".to_owned(),
        audience: "souk".to_owned(),
    }
}

/// A verifier that fetches the app's keys over HTTP, as every service does.
pub(crate) async fn verifier(app: &App, clock: &Clock) -> Verifier {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = jwks::router(app.keyring.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = AuthConfig {
        jwks_url: format!("http://127.0.0.1:{port}{}", jwks::PATH),
        issuer: "souk".to_owned(),
        audience: "souk".to_owned(),
    };
    Verifier::new(&config, clock.clone())
}
