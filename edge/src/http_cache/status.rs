//! What the cache knows of status codes.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-15>

use http::StatusCode;

/// May be kept though nothing says for how long (RFC 9110, section 15.1). Of
/// those there, 206 is left out: parts are not kept.
const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
/// Those, and others whose meaning for a cache is understood.
const ALSO_UNDERSTOOD: [u16; 10] = [302, 303, 307, 400, 403, 451, 500, 502, 503, 504];

/// Whether it may be kept though nothing says for how long.
pub fn is_heuristic(status: StatusCode) -> bool {
    HEURISTIC.contains(&status.as_u16())
}

/// Whether its meaning for a cache is understood.
pub fn is_understood(status: StatusCode) -> bool {
    is_heuristic(status) || ALSO_UNDERSTOOD.contains(&status.as_u16())
}

/// Whether it can be kept at all: a final answer, and a whole one.
pub fn is_storable(status: StatusCode) -> bool {
    !status.is_informational()
        && status != StatusCode::PARTIAL_CONTENT
        && status != StatusCode::NOT_MODIFIED
}

/// Whether it says something of what was asked for, rather than of who asked,
/// and how.
pub fn is_of_the_resource(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection() || matches!(status.as_u16(), 404 | 410)
}

/// Whether it says that the origin failed (RFC 5861, section 4).
pub fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
