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
    /// Reads the content type of a request. Messages are protobuf: no service
    /// takes others.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
        else {
            return Self::Http;
        };
        let kind = value.split_once(';').map_or(value, |(kind, _)| kind);
        match kind.trim().to_ascii_lowercase().as_str() {
            "application/grpc" | "application/grpc+proto" => Self::Grpc,
            "application/grpc-web" | "application/grpc-web+proto" => Self::GrpcWeb,
            "application/grpc-web-text" | "application/grpc-web-text+proto" => Self::GrpcWebText,
            _ => Self::Http,
        }
    }

    /// The content type of this protocol, as services and answers have it.
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(value: &'static str) -> Protocol {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
        Protocol::of(&headers)
    }

    #[test]
    fn a_content_type_names_the_protocol() {
        assert_eq!(of("application/grpc"), Protocol::Grpc);
        assert_eq!(of("Application/gRPC+Proto"), Protocol::Grpc);
        assert_eq!(of("application/grpc-web+proto"), Protocol::GrpcWeb);
        assert_eq!(of("application/grpc-web ; q=1"), Protocol::GrpcWeb);
        assert_eq!(
            of("APPLICATION/GRPC-WEB+PROTO; charset=utf-8"),
            Protocol::GrpcWeb
        );
        assert_eq!(of("application/grpc-web-text"), Protocol::GrpcWebText);
    }

    #[test]
    fn messages_that_are_not_protobuf_have_no_protocol() {
        for kind in [
            "application/grpc+json",
            "application/grpc-web+json",
            "application/grpc-web-text+thrift",
            "application/grpcish",
            "application/json",
        ] {
            assert_eq!(of(kind), Protocol::Http, "{kind}");
        }
    }
}
