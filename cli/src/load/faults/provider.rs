//! The sandbox provider in a bad mood. It plays an outside system, which is
//! told how to behave by a row of its own.

use crate::load::books::Sources;

/// How long a slow answer takes, in milliseconds.
const SLOW_MS: i32 = 1_500;

/// How the provider behaves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    Normal,
    Slow,
    Down,
}

/// Whether it can be told.
pub(super) async fn can_be_set(sources: &Sources) -> anyhow::Result<bool> {
    let table: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('sandbox.conditions')::text")
            .fetch_one(&sources.payment)
            .await?;
    Ok(table.is_some())
}

/// Tells it.
pub(super) async fn set(sources: &Sources, mode: Mode) -> anyhow::Result<()> {
    let (name, delay_ms) = match mode {
        Mode::Normal => ("normal", 0),
        Mode::Slow => ("slow", SLOW_MS),
        Mode::Down => ("down", 0),
    };
    sqlx::query("UPDATE sandbox.conditions SET mode = $1, delay_ms = $2")
        .bind(name)
        .bind(delay_ms)
        .execute(&sources.payment)
        .await?;
    Ok(())
}
