//! Hashes passwords, a bounded number at a time. Whoever comes when too many
//! are waiting is sent away at once rather than late.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _},
};
use svc_kit::random;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error::Error,
    password::{Password, PasswordHash},
};

/// Memory of one hash in KiB: 19 MiB (OWASP, Password Storage Cheat Sheet).
pub const MEMORY_KIB: u32 = 19 * 1024;

/// Passes over the memory.
pub const PASSES: u32 = 2;

/// Lanes.
pub const LANES: u32 = 1;

/// How many wait for each one that is hashed.
const WAITING_PER_WORKER: usize = 16;

/// The bounded pool. Clones share it.
#[derive(Clone)]
pub struct Hasher(Arc<Pool>);

struct Pool {
    argon2: Argon2<'static>,
    /// Hashed now.
    workers: Arc<Semaphore>,
    /// Hashed now or waiting for it.
    places: Arc<Semaphore>,
    /// What the password of nobody is compared with, so that it takes as long.
    nobody: PasswordHash,
}

impl Hasher {
    /// A pool that hashes `workers` passwords at a time, each in
    /// [`MEMORY_KIB`] of memory.
    ///
    /// # Errors
    /// Internal when the parameters are not Argon2's.
    pub fn new(workers: usize) -> Result<Self, Error> {
        let workers = workers.max(1);
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon2, &random::bytes::<32>())?;
        Ok(Self(Arc::new(Pool {
            argon2,
            workers: Arc::new(Semaphore::new(workers)),
            places: Arc::new(Semaphore::new(workers * (1 + WAITING_PER_WORKER))),
            nobody,
        })))
    }

    /// Hashes a password with a salt of its own.
    ///
    /// # Errors
    /// `Throttled` when too many wait.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Error> {
        self.run(move |pool| hash(&pool.argon2, password.as_bytes()))
            .await
    }

    /// Whether this is the password. It takes as long when there is no
    /// password or nothing to compare it with; then the answer is no.
    ///
    /// # Errors
    /// `Throttled` when too many wait.
    pub async fn verify(
        &self,
        password: Option<Password>,
        kept: Option<PasswordHash>,
    ) -> Result<bool, Error> {
        self.run(move |pool| {
            let bytes = password.as_ref().map_or(&[][..], Password::as_bytes);
            let hash = kept.as_ref().unwrap_or(&pool.nobody);
            let same = match pool.argon2.verify_password(bytes, hash.as_str()) {
                Ok(()) => true,
                Err(argon2::password_hash::Error::PasswordInvalid) => false,
                Err(error) => return Err(failed(error)),
            };
            Ok(same && password.is_some() && kept.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Pool) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.0.places)
            .try_acquire_owned()
            .map_err(|_| Error::HashingBusy)?;
        let worker = Arc::clone(&self.0.workers)
            .acquire_owned()
            .await
            .map_err(|_| Error::HashingBusy)?;
        let pool = Arc::clone(&self.0);
        // The permits go with the work: when the caller is gone, it still runs.
        let permits: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, worker);
        tokio::task::spawn_blocking(move || {
            let outcome = work(&pool);
            drop(permits);
            outcome
        })
        .await
        .map_err(failed)?
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<PasswordHash, Error> {
    let salt = random::bytes::<16>();
    let hash: argon2::password_hash::phc::PasswordHash = argon2
        .hash_password_with_salt(password, &salt)
        .map_err(failed)?;
    Ok(PasswordHash::new(hash.to_string()))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Hashing(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse("password", text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_itself_fits_its_hash() {
        let hasher = Hasher::new(1).unwrap();
        let kept = hasher.hash(password("correct horse")).await.unwrap();
        assert!(kept.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let verify = async |text| {
            hasher
                .verify(Some(password(text)), Some(kept.clone()))
                .await
                .unwrap()
        };
        assert!(verify("correct horse").await);
        assert!(!verify("Correct horse").await);
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        let hasher = Hasher::new(1).unwrap();
        let anything = Some(password("correct horse"));
        assert!(!hasher.verify(anything, None).await.unwrap());
        assert!(!hasher.verify(None, None).await.unwrap());
    }

    #[tokio::test]
    async fn who_comes_when_too_many_wait_is_sent_away() {
        let hasher = Hasher::new(1).unwrap();
        let room = hasher.0.places.available_permits();
        let _taken = Arc::clone(&hasher.0.places)
            .try_acquire_many_owned(u32::try_from(room).unwrap())
            .unwrap();
        let refused = hasher.hash(password("correct horse")).await;
        assert!(matches!(refused, Err(Error::HashingBusy)));
    }
}
