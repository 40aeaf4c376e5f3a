//! The protocol that a caller speaks, read from its content type. Answers are
//! written in the same one.

use http::{HeaderMap, header::CONTENT_TYPE};

/// What a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-web, binary.
    GrpcWeb,
    /// gRPC-web in base64, for browsers that cannot stream bytes.
    GrpcWebText,
    /// Anything else.
    #[default]
    Http,
}

impl Protocol {
    /// Reads the content type of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Self::Http;
        };
        let value = value.as_bytes();
        let subtype = |name: &str| {
            value
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
                && matches!(value.get(name.len()), None | Some(b'+' | b';' | b' '))
        };
        if subtype("application/grpc-web-text") {
            Self::GrpcWebText
        } else if subtype("application/grpc-web") {
            Self::GrpcWeb
        } else if subtype("application/grpc") {
            Self::Grpc
        } else {
            Self::Http
        }
    }

    /// The content type of an answer in this protocol.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::GrpcWeb => "application/grpc-web+proto",
            Self::GrpcWebText => "application/grpc-web-text+proto",
            Self::Http => "application/problem+json",
        }
    }

    /// Whether a status travels as `grpc-status`.
    pub fn is_grpc(self) -> bool {
        self != Self::Http
    }
}

/// Whether the messages are protobuf: the only ones that the edge can read.
pub fn is_proto(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| match value.split(';').next() {
            Some(kind) => !kind.contains('+') || kind.trim_end().ends_with("+proto"),
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(value: &'static str) -> (Protocol, bool) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
        (Protocol::of(&headers), is_proto(&headers))
    }

    #[test]
    fn a_content_type_names_the_protocol() {
        assert_eq!(of("application/grpc"), (Protocol::Grpc, true));
        assert_eq!(of("application/grpc+proto"), (Protocol::Grpc, true));
        assert_eq!(of("application/grpc+json"), (Protocol::Grpc, false));
        assert_eq!(of("application/grpc-web+proto"), (Protocol::GrpcWeb, true));
        assert_eq!(of("application/grpc-web; q=1"), (Protocol::GrpcWeb, true));
        assert_eq!(
            of("application/grpc-web-text"),
            (Protocol::GrpcWebText, true)
        );
        assert_eq!(of("application/grpcish").0, Protocol::Http);
        assert_eq!(of("application/json").0, Protocol::Http);
    }
}
