//! HTTP dates, as milliseconds since the epoch.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>

use std::time::{Duration, SystemTime};

use http::HeaderValue;

/// Reads a date in any of the three forms; `None` when it is none.
pub fn parse(value: &HeaderValue) -> Option<i64> {
    let date = httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// Writes a date in the preferred form. What lies before the epoch becomes it.
pub fn format(at_ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(at_ms).unwrap_or(0));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_are_read() {
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            let at = parse(&HeaderValue::from_static(date)).unwrap();
            assert_eq!(format(at), "Sun, 06 Nov 1994 08:49:37 GMT", "{date}");
        }
        for none in ["0", "-1", "soon", ""] {
            assert_eq!(parse(&HeaderValue::from_static(none)), None, "{none}");
        }
    }
}
