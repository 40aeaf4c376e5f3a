//! What every use case works with, and the process around it.

use anyhow::Context as _;
use fred::clients::Pool;
use proto::souk::identity::v1::identity_service_server::IdentityServiceServer;
use svc_kit::{
    Shutdown, auth::Verifier, clock::Clock, db::Db, job, nats::Nats, outbox::Relay, parts::Parts,
    server::Server,
};

use crate::{
    MIGRATIONS,
    access_token::{AccessToken, Issuer},
    account::Account,
    config::Config,
    ensure_staff::ensure_staff,
    error::Error,
    grpc::{Grpc, REQUEST_MAX_BYTES},
    hasher::Hasher,
    jobs::{
        end_families::{self, EndFamilies},
        rotate_keys::{self, RotateKeys, rotate_keys},
    },
    jwks,
    keyring::Keyring,
    lockout::Lockout,
    session::SessionId,
    store::sessions::Sessions,
};

/// What every use case works with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Accounts, addresses, keys, revocations, the outbox.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Sessions, in Redis.
    pub sessions: Sessions,
    /// Counters of failed log-ins.
    pub lockout: Lockout,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// The signing keys.
    pub keyring: Keyring,
    issuer: Issuer,
}

impl App {
    /// Puts it together; the keyring is still empty.
    ///
    /// # Errors
    /// When the hasher cannot be made.
    pub fn new(
        db: Db,
        redis: Pool,
        clock: Clock,
        issuer: Issuer,
        hash_workers: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            db,
            sessions: Sessions::new(redis.clone()),
            lockout: Lockout::new(redis, clock.clone()),
            hasher: Hasher::new(hash_workers)?,
            keyring: Keyring::default(),
            clock,
            issuer,
        })
    }

    /// Connects, migrates, and makes sure of a signing key and of the staff
    /// account.
    ///
    /// # Errors
    /// When a server is not there, or the configuration makes no sense.
    pub async fn build(config: Config) -> anyhow::Result<Process> {
        let staff = config.staff()?;
        let db = Db::connect(&config.db).await?;
        svc_kit::db::migrate(&db, &MIGRATIONS).await?;
        let redis = svc_kit::redis::connect(&config.redis).await?;
        let nats = Nats::connect(&config.nats).await?;
        let issuer = Issuer {
            issuer: config.auth.issuer.clone(),
            audience: config.auth.audience.clone(),
        };
        let app = Self::new(
            db,
            redis,
            Clock::system(),
            issuer,
            config.hash_workers.into(),
        )?;
        rotate_keys(&app).await.context("no signing key")?;
        if let Some(staff) = staff {
            ensure_staff(&app, staff)
                .await
                .context("no staff account")?;
        }
        Ok(Process { app, config, nats })
    }

    /// An access token for a session, of now.
    ///
    /// # Errors
    /// `Unavailable` when no key signs.
    pub fn access_token(
        &self,
        account: &Account,
        session_id: SessionId,
    ) -> Result<AccessToken, Error> {
        self.keyring.with_signing(self.clock.now(), |key| {
            self.issuer.issue(key, account, session_id, &self.clock)
        })
    }
}

/// The service, ready to run.
pub struct Process {
    app: App,
    config: Config,
    nats: Nats,
}

impl Process {
    /// Answers calls, publishes events and runs the jobs until it is told to
    /// stop.
    ///
    /// # Errors
    /// When an address is taken.
    pub async fn run_until_stopped(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self { app, config, nats } = self;
        let verifier = Verifier::new(&config.auth, app.clock.clone());
        let service = IdentityServiceServer::new(Grpc::new(app.clone()))
            .max_decoding_message_size(REQUEST_MAX_BYTES);
        let db = app.db.clone();
        // Not Redis: without it people still log in, so this replica is of use.
        let server = Server::new("svc-identity", &config.server, verifier)
            .add_service(service)
            .http(jwks::router(app.keyring.clone()))
            .ready("postgres", move || {
                let db = db.clone();
                async move { db.ping().await }
            });
        let relay = Relay::new(app.db.clone(), nats, app.clock.clone());
        let rotate = RotateKeys { app: app.clone() };
        let end = EndFamilies { app };
        Parts::new(shutdown.clone())
            .with("server", server.serve(shutdown.clone()))
            .with("relay", relay.run(shutdown.clone()))
            .with(
                "rotate_keys",
                job::run(rotate, rotate_keys::EVERY, None, shutdown.clone()),
            )
            .with(
                "end_families",
                job::run(end, end_families::EVERY, None, shutdown),
            )
            .run()
            .await
    }
}
