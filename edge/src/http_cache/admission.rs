//! Whether an answer may be kept at all.
//! <https://www.rfc-editor.org/rfc/rfc9111#section-3>

use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, SET_COOKIE},
};

use super::{
    directives::Allowed,
    freshness,
    status::{is_heuristic, is_storable, is_understood},
};

/// Whether the standard lets a cache that many share keep this answer to this
/// request; and whether nobody's cookie is in it, unless the origin says that
/// it is for everybody.
pub fn is_admitted(
    request: &HeaderMap,
    status: StatusCode,
    answer: &HeaderMap,
    allowed: &Allowed,
) -> bool {
    // Who understands the status is told more by `must-understand`, and
    // `no-store` is for the others (section 5.2.2.3).
    let no_store = if allowed.must_understand {
        !is_understood(status)
    } else {
        allowed.no_store
    };
    let authorized = !request.contains_key(AUTHORIZATION)
        || allowed.public
        || allowed.must_revalidate
        || allowed.s_maxage.is_some();
    is_storable(status)
        && !no_store
        && !allowed.private
        && authorized
        && (allowed.public || !answer.contains_key(SET_COOKIE))
        && (allowed.public || is_heuristic(status) || freshness::is_explicit(answer, allowed))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn admits(status: u16, control: &'static str, request: &[&'static str]) -> bool {
        admits_with(status, control, request, &[])
    }

    fn admits_with(
        status: u16,
        control: &'static str,
        request: &[&'static str],
        answer: &[&'static str],
    ) -> bool {
        let headers = |names: &[&'static str]| -> HeaderMap {
            let value = HeaderValue::from_static("x");
            names
                .iter()
                .map(|name| (name.parse().unwrap(), value.clone()))
                .collect()
        };
        let mut answer = headers(answer);
        answer.insert("cache-control", HeaderValue::from_static(control));
        let status = StatusCode::from_u16(status).unwrap();
        is_admitted(&headers(request), status, &answer, &Allowed::of(&answer))
    }

    #[test]
    fn the_origin_s_no_is_a_no() {
        assert!(admits(200, "max-age=60", &[]));
        assert!(!admits(200, "max-age=60, no-store", &[]));
        assert!(!admits(200, "max-age=60, private", &[]));
    }

    #[test]
    fn only_final_and_whole_answers_are_kept() {
        for (status, kept) in [
            (200, true),
            (404, true),
            (206, false),
            (304, false),
            (103, false),
        ] {
            assert_eq!(admits(status, "max-age=60", &[]), kept, "{status}");
        }
        assert!(admits(404, "", &[]));
        assert!(!admits(302, "", &[]));
        assert!(admits(302, "max-age=1", &[]));
        assert!(admits(302, "public", &[]));
    }

    #[test]
    fn what_must_be_understood_is_kept_only_if_it_is() {
        assert!(admits(200, "no-store, must-understand, max-age=60", &[]));
        assert!(!admits(299, "must-understand, max-age=60", &[]));
        assert!(admits(299, "max-age=60", &[]));
    }

    #[test]
    fn authorized_answers_are_kept_only_where_the_origin_says_so() {
        let authorized = ["authorization"];
        assert!(!admits(200, "max-age=60", &authorized));
        for allowed in [
            "public, max-age=60",
            "s-maxage=60",
            "must-revalidate, max-age=60",
        ] {
            assert!(admits(200, allowed, &authorized), "{allowed}");
        }
    }

    #[test]
    fn a_cookie_is_kept_only_when_it_is_for_everybody() {
        assert!(!admits_with(200, "max-age=60", &[], &["set-cookie"]));
        assert!(admits_with(200, "max-age=60, public", &[], &["set-cookie"]));
    }
}
