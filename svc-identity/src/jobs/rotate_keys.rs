//! Makes the next signing key in time, removes those that are spent, and
//! brings this replica's keyring up to date.

use std::time::Duration;

use svc_kit::{
    job::{Job, Progress},
    outbox,
};

use crate::{
    app::App,
    error::Error,
    signing_key::{KeyId, KeyTimes, Rotation, SigningKey},
    store::signing_keys,
};

/// How often; also how long a replica may not know of a new key.
pub const EVERY: Duration = Duration::from_mins(1);

/// The job.
pub struct RotateKeys {
    /// Of this service.
    pub app: App,
}

impl Job for RotateKeys {
    const NAME: &'static str = "identity-rotate-keys";

    async fn step(&self) -> anyhow::Result<Progress> {
        rotate_keys(&self.app).await?;
        Ok(Progress::Idle)
    }
}

/// One step, which is also the first thing at start: afterwards the keyring
/// has a key that signs.
///
/// # Errors
/// When the database is away.
pub async fn rotate_keys(app: &App) -> Result<(), Error> {
    let now = app.clock.now();
    let mut keys = signing_keys::list(app.db.writer()).await?;
    if due(&keys, now) != Rotation::default() {
        let mut tx = app.db.begin().await?;
        signing_keys::lock(&mut tx).await?;
        // Another replica may have done it while this one waited.
        let rotation = due(&signing_keys::list(&mut *tx).await?, now);
        if let Some(activate_time) = rotation.make {
            let key = SigningKey::generate(KeyId::generate(&app.clock), now, activate_time)?;
            signing_keys::insert_successor(&mut tx, &key).await?;
            outbox::put(&mut tx, &SigningKey::changed(key.times.id), &app.clock).await?;
            tracing::info!(key_id = %key.times.id, %activate_time, "signing key made");
        }
        for id in rotation.remove {
            signing_keys::delete(&mut tx, id).await?;
            outbox::put(&mut tx, &SigningKey::changed(id), &app.clock).await?;
            tracing::info!(key_id = %id, "signing key removed");
        }
        keys = signing_keys::list(&mut *tx).await?;
        tx.commit().await?;
    }
    app.keyring.replace(keys);
    Ok(())
}

fn due(keys: &[SigningKey], now: chrono::DateTime<chrono::Utc>) -> Rotation {
    let times: Vec<KeyTimes> = keys.iter().map(|key| key.times).collect();
    Rotation::due(&times, now)
}
