//! What is done about an event that was not handled.

use std::time::Duration;

use uuid::Uuid;

use super::ConsumeError;
use crate::{backoff::Backoff, db::Db, error, inbox};

/// How often a handler may fail on an event before it is given up.
pub const ATTEMPTS: u32 = 12;

/// Between attempts of a handler.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_mins(1));

/// While something that is needed is away: less patient, since it concerns
/// all events, and ends all at once.
const UNAVAILABLE: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// What to do with an event.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Deliver it again after a pause.
    Later {
        pause: Duration,
        why: String,
        unavailable: bool,
    },
    /// Put it to the dead letters.
    Dead { reason: String, attempts: u32 },
}

/// Decides, and counts the attempt if it counts. `deliveries` is how often
/// JetStream has delivered the event.
pub(super) async fn judge(
    db: &Db,
    consumer: &str,
    event_id: Uuid,
    deliveries: u32,
    failure: ConsumeError,
) -> Verdict {
    match failure {
        ConsumeError::Reject(reason) => Verdict::Dead {
            reason,
            attempts: 1,
        },
        ConsumeError::Unavailable(cause) => away(deliveries, error::chain(&*cause)),
        ConsumeError::Retry(cause) => {
            let why = error::chain(&*cause);
            match inbox::failed(db, consumer, event_id).await {
                Ok(attempts) if attempts >= ATTEMPTS => Verdict::Dead {
                    reason: format!("given up after {attempts} attempts: {why}"),
                    attempts,
                },
                Ok(attempts) => Verdict::Later {
                    pause: RETRY.delay(attempts),
                    why,
                    unavailable: false,
                },
                Err(uncounted) => away(deliveries, format!("{why}; not counted: {uncounted}")),
            }
        }
    }
}

fn away(deliveries: u32, why: String) -> Verdict {
    Verdict::Later {
        pause: UNAVAILABLE.delay(deliveries),
        why,
        unavailable: true,
    }
}
