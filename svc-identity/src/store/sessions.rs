//! Sessions in Redis: one hash each, so that every change is one command on
//! one key, atomic on a cluster too.
//!
//! | field | |
//! | --- | --- |
//! | `account` `epoch` | whose session, and the account's epoch at the log-in |
//! | `family` | hash of the secret that all its refresh tokens share |
//! | `current` | hash of the one refresh token that works |
//! | `reused` | there once an old token was seen: nothing works any more |
//!
//! A hash expires when its last refresh token does. If Redis lost its data,
//! the sessions are over: their owners log in again.

use std::sync::LazyLock;

use fred::{
    clients::Pool,
    error::Error as RedisError,
    interfaces::{HashesInterface as _, KeysInterface as _},
    types::scripts::Script,
};
use svc_kit::id::AccountId;

use crate::{
    refresh_token::RefreshToken,
    session::{REFRESH_TOKEN_LIFE, Session, SessionId},
};

/// Makes the hash with its expiry.
static OPEN: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        "redis.call('HSET', KEYS[1], 'account', ARGV[1], 'epoch', ARGV[2], \
         'family', ARGV[3], 'current', ARGV[4]) \
         redis.call('PEXPIRE', KEYS[1], ARGV[5]) \
         return 1",
    )
});

/// Puts the next token in the place of the one presented. That the next one is
/// current already means that this very command was sent twice by a connection
/// that broke: its answer is the first one's.
static ROTATE: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        "local held = redis.call('HMGET', KEYS[1], 'family', 'current', 'reused') \
         if held[1] ~= ARGV[1] then return 'unknown' end \
         if held[3] then return 'reused' end \
         if held[2] == ARGV[3] then return 'rotated' end \
         if held[2] ~= ARGV[2] then \
           redis.call('HSET', KEYS[1], 'reused', '1') \
           return 'reused' \
         end \
         redis.call('HSET', KEYS[1], 'current', ARGV[3]) \
         redis.call('PEXPIRE', KEYS[1], ARGV[4]) \
         return 'rotated'",
    )
});

/// What became of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Rotated {
    /// It was the current one, and the next one is now.
    Yes,
    /// It is of this family, but was used before. The family is dead.
    Reused,
    /// No such session, or not of its family.
    Unknown,
}

/// The sessions in Redis. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    redis: Pool,
}

impl Sessions {
    /// Sessions in this Redis.
    pub fn new(redis: Pool) -> Self {
        Self { redis }
    }

    /// Keeps a new session with its first refresh token.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn open(&self, session: &Session, first: &RefreshToken) -> Result<(), RedisError> {
        OPEN.evalsha_with_reload(
            self.redis.next(),
            key(session.id),
            vec![
                session.account_id.to_string(),
                session.epoch.to_string(),
                first.family_hash(),
                first.own_hash(),
                life_ms(),
            ],
        )
        .await
    }

    /// Whose session a token is of; none when it is of no session that lives.
    /// The token may still be an old one.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn find(&self, token: &RefreshToken) -> Result<Option<Session>, RedisError> {
        let held: (Option<String>, Option<String>, Option<String>) = self
            .redis
            .hmget(key(token.session_id()), vec!["account", "epoch", "family"])
            .await?;
        let (Some(account), Some(epoch), Some(family)) = held else {
            return Ok(None);
        };
        let (Ok(account_id), Ok(epoch)) = (account.parse::<AccountId>(), epoch.parse()) else {
            return Ok(None);
        };
        Ok((family == token.family_hash()).then_some(Session {
            id: token.session_id(),
            account_id,
            epoch,
        }))
    }

    /// Uses a token up: of two at the same time, one gets [`Rotated::Yes`].
    ///
    /// # Errors
    /// When Redis is away; then nobody knows whether the token was used up.
    pub async fn rotate(
        &self,
        presented: &RefreshToken,
        next: &RefreshToken,
    ) -> Result<Rotated, RedisError> {
        let outcome: String = ROTATE
            .evalsha_with_reload(
                self.redis.next(),
                key(presented.session_id()),
                vec![
                    presented.family_hash(),
                    presented.own_hash(),
                    next.own_hash(),
                    life_ms(),
                ],
            )
            .await?;
        Ok(match outcome.as_str() {
            "rotated" => Rotated::Yes,
            "reused" => Rotated::Reused,
            _ => Rotated::Unknown,
        })
    }

    /// Removes a session, if it is there.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn end(&self, id: SessionId) -> Result<(), RedisError> {
        self.redis.del(key(id)).await
    }
}

fn key(id: SessionId) -> String {
    format!("identity:session:{id}")
}

fn life_ms() -> String {
    REFRESH_TOKEN_LIFE.as_millis().to_string()
}
