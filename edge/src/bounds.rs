//! How long and how large a request may be.

use std::time::Duration;

use crate::{
    deadline::Deadline,
    route::{MethodRoute, Route},
};

/// The service may say itself that the time is over: it is given this longer.
pub const GRACE: Duration = Duration::from_millis(200);

/// Limits on time and size that are the same for all requests.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The largest body of a unary request.
    pub max_body_bytes: usize,
    /// For methods that state no timeout.
    pub default_timeout: Duration,
    /// How long a stream may be silent when the service speaks.
    pub watch_idle_timeout: Duration,
    /// How long a stream may be silent when the caller speaks.
    pub upload_idle_timeout: Duration,
}

impl Bounds {
    /// The longest that a call may take; a stream has no end of its own.
    pub fn cap(&self, method: &MethodRoute) -> Option<Duration> {
        let default = (!method.policy.streaming).then_some(self.default_timeout);
        method.policy.timeout.or(default)
    }

    /// The largest body that a request may have.
    pub fn max_body(&self, route: &Route) -> usize {
        match route {
            // The service bounds each message.
            Route::Method(method) if method.policy.streaming => usize::MAX,
            Route::Method(_) | Route::Prefix(_) => self.max_body_bytes,
        }
    }

    /// How long a service may be silent.
    pub fn silence(&self, route: &Route, deadline: Deadline) -> Duration {
        let idle = match route {
            Route::Prefix(_) => self.default_timeout,
            Route::Method(method) if method.policy.descriptor.is_client_streaming() => {
                self.upload_idle_timeout
            }
            Route::Method(_) => self.watch_idle_timeout,
        };
        deadline.left().map_or(idle, |left| left.min(idle) + GRACE)
    }
}
