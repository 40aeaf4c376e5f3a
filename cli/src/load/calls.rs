//! Calls as a careful client makes them: each with an end, an error looked at
//! for what it says about the request, and a repeat after a pause.

use std::future::Future;
use std::time::Duration;

use svc_kit::random;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

/// How long one call may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(6);
/// How often a call is made, at most.
pub(super) const TRIES: u32 = 10;
/// Before the second try; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Between two tries, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What an error says about the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// It was not done, and will not be.
    No,
    /// It was not done, and may be when asked again.
    NotNow,
    /// The token is of no use any more; it was not done.
    LogIn,
    /// Nobody knows whether it was done.
    Nothing,
}

impl Says {
    pub(super) fn of(status: &Status) -> Self {
        match status.code() {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented => Self::No,
            Code::ResourceExhausted => Self::NotNow,
            Code::Unauthenticated => Self::LogIn,
            _ => Self::Nothing,
        }
    }
}

/// Makes a call, and gives it up when it takes too long.
pub(super) async fn within<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer")),
    }
}

/// Waits before the next try; with jitter, so that those who failed together
/// do not come back together.
pub(super) async fn pause(tries: u32) {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    let most = doubled.min(LONGEST_PAUSE);
    tokio::time::sleep(most / 2 + random::jitter(most / 2)).await;
}

/// Why, in one stable word if the shop sent one.
pub(super) fn reason(status: &Status) -> String {
    match status.get_details_error_info() {
        Some(info) => info.reason,
        None => format!("{:?}", status.code()),
    }
}
