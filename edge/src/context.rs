//! What is known of one request while it is answered.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use http::{HeaderMap, HeaderValue, StatusCode};
use svc_kit::auth::Claims;

use crate::{
    deadline::Deadline, frame::StatusReader, http_cache::pages::Why, limit::standing::Standing,
    metrics::Live, protocol::Protocol, refusal::Refusal, route::Route, site, trace::Trace,
    upstream::Call,
};

/// What the cache had to do with a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CacheOutcome {
    /// Answers of this route are not kept.
    #[default]
    None,
    /// The request was not one that the cache can read.
    Bypass,
    /// Requests of its method are not answered from the cache.
    Method,
    /// Nothing is kept, and nothing else was wanted.
    OnlyIfCached,
    /// Served from the cache; seconds left, negative when stale.
    Hit {
        /// Seconds for which it stays fresh.
        ttl: i64,
        /// Its body lies on disk alone.
        from_disk: bool,
    },
    /// Asked for.
    Miss {
        /// An old answer lay there.
        stale: bool,
        /// The new one is kept.
        stored: bool,
        /// Another request's fetch answered this one too.
        collapsed: bool,
    },
    /// A page of plain HTTP was asked for.
    Forwarded(Forward),
    /// So, in vain: what was kept is served.
    Covered(Forward),
}

/// How a page was asked for, in the terms of RFC 9211.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// Why.
    pub why: Why,
    /// The origin's status, when the caller has another or none.
    pub status: Option<StatusCode>,
    /// The answer is kept.
    pub stored: bool,
    /// Another request's fetch answered this one too.
    pub collapsed: bool,
}

impl Forward {
    fn header(self) -> String {
        let status = self.status.map_or(String::new(), |status| {
            format!("; fwd-status={}", status.as_u16())
        });
        format!(
            "souk; fwd={}{status}{}{}",
            match self.why {
                Why::UriMiss => "uri-miss",
                Why::VaryMiss => "vary-miss",
                Why::Stale => "stale",
                Why::Request => "request",
            },
            if self.stored { "; stored" } else { "" },
            if self.collapsed { "; collapsed" } else { "" },
        )
    }
}

impl CacheOutcome {
    /// For `cache-status` (RFC 9211).
    pub fn header(&self) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::Bypass => "souk; fwd=bypass".to_owned(),
            Self::Method => "souk; fwd=method".to_owned(),
            Self::OnlyIfCached => "souk; detail=only-if-cached".to_owned(),
            Self::Hit { ttl, from_disk } => {
                let detail = if *from_disk { "; detail=disk" } else { "" };
                format!("souk; hit; ttl={ttl}{detail}")
            }
            Self::Forwarded(forward) => forward.header(),
            Self::Covered(forward) => format!("{}; detail=stale-if-error", forward.header()),
            Self::Miss {
                stale,
                stored,
                collapsed,
            } => format!(
                "souk; fwd={}{}{}",
                if *stale { "stale" } else { "miss" },
                if *stored { "; stored" } else { "" },
                if *collapsed { "; collapsed" } else { "" },
            ),
        })
    }

    /// For logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bypass | Self::Method => "bypass",
            Self::Hit { ttl, .. } if *ttl < 0 => "stale",
            Self::Hit { .. } => "hit",
            Self::Miss {
                collapsed: true, ..
            } => "collapsed",
            Self::Covered(_) => "stale",
            Self::Forwarded(forward) if forward.collapsed => "collapsed",
            Self::Forwarded(forward) if forward.status == Some(StatusCode::NOT_MODIFIED) => {
                "revalidated"
            }
            Self::Miss { .. } | Self::Forwarded(_) | Self::OnlyIfCached => "miss",
        }
    }
}

/// What is known of a request.
#[derive(Debug)]
pub struct Context {
    /// When it came.
    pub started: Instant,
    /// Its place in a trace.
    pub trace: Trace,
    /// What the caller speaks.
    pub protocol: Protocol,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Where it came from.
    pub caller: IpAddr,
    /// Its origin, when that one may read the answer.
    pub origin: Option<HeaderValue>,
    /// Where it goes.
    pub route: Option<Route>,
    /// What the caller's token says, where one is asked for.
    pub claims: Option<Claims>,
    /// When it must have been answered.
    pub deadline: Deadline,
    /// Why it is not answered by a service.
    pub refusal: Option<Refusal>,
    /// What its caller hears of its limits.
    pub standing: Option<Standing>,
    /// It is over a limit that is only counted.
    pub shadow_refused: bool,
    /// What the cache had to do with it.
    pub cache: CacheOutcome,
    /// The status in the answer.
    pub grpc_status: Option<i32>,
    /// The instance that was asked, or the service.
    pub upstream: Option<Arc<str>>,
    /// Its dealings with the service.
    pub call: Option<Call>,
    /// Its place among the requests to an origin.
    pub place: Option<site::Place>,
    /// Addresses of its origin that could not be reached.
    pub unreached: usize,
    /// The service's answer is dropped, and another one asked for.
    pub repeating: bool,
    /// Bytes of its body so far.
    pub body_bytes: usize,
    /// Reads the status in an answer of gRPC-web that passes.
    pub status_reader: StatusReader,
    _live: Live,
    _in_flight: Place,
}

/// How many requests of an edge are being answered.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    /// The count.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of them.
#[derive(Debug)]
struct Place(InFlight);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Context {
    /// Of a request of which nothing is known yet.
    pub fn new(in_flight: &InFlight) -> Self {
        in_flight.0.fetch_add(1, Ordering::Relaxed);
        Self {
            started: Instant::now(),
            trace: Trace::of(&HeaderMap::new()),
            protocol: Protocol::Http,
            secure: false,
            caller: Ipv4Addr::UNSPECIFIED.into(),
            origin: None,
            route: None,
            claims: None,
            deadline: Deadline::default(),
            refusal: None,
            standing: None,
            shadow_refused: false,
            cache: CacheOutcome::None,
            grpc_status: None,
            upstream: None,
            call: None,
            place: None,
            unreached: 0,
            repeating: false,
            body_bytes: 0,
            status_reader: StatusReader::default(),
            _live: Live::request(),
            _in_flight: Place(in_flight.clone()),
        }
    }

    /// The route's name, or one for all that have none.
    pub fn route_name(&self) -> &str {
        self.route.as_ref().map_or("unknown", Route::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_outcome_is_told_as_the_standard_says() {
        let told = |outcome: CacheOutcome| outcome.header();
        assert_eq!(told(CacheOutcome::None), None);
        assert_eq!(
            told(CacheOutcome::Hit {
                ttl: 599,
                from_disk: false
            })
            .unwrap(),
            "souk; hit; ttl=599"
        );
        let from_disk = CacheOutcome::Hit {
            ttl: -1,
            from_disk: true,
        };
        assert_eq!(told(from_disk).unwrap(), "souk; hit; ttl=-1; detail=disk");
        let miss = CacheOutcome::Miss {
            stale: false,
            stored: true,
            collapsed: false,
        };
        assert_eq!(told(miss).unwrap(), "souk; fwd=miss; stored");
    }
}
