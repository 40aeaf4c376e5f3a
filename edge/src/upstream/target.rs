//! One address in the list of a service: "http://host:port".

use std::{net::IpAddr, str::FromStr};

use http::Uri;

/// A host, by name or address, and the port of the instances behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As it is looked up, without brackets.
    pub host: String,
    /// The port of all addresses that the host has.
    pub port: u16,
}

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be http://host:port, or several with commas between: it {0}")]
pub struct BadTarget(&'static str);

impl Target {
    /// The address, when the host is one and no name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let text = text.trim();
        let uri: Uri = text.parse().map_err(|_| BadTarget("is no address"))?;
        if uri.scheme_str() != Some("http") {
            return Err(BadTarget("does not begin with http://"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains(['@', '#']) {
            return Err(BadTarget("says more than host and port"));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(BadTarget("has no host"));
        }
        let port = uri.port_u16().filter(|port| *port > 0);
        Ok(Self {
            host: host.to_owned(),
            port: port.ok_or(BadTarget("has no port"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_all_that_an_address_may_have() {
        let parsed = |text: &str| text.parse::<Target>().map(|it| (it.host, it.port));
        for (text, host, port) in [
            ("http://127.0.0.1:50051", "127.0.0.1", 50051),
            (" http://svc-catalog.shop.svc:1/", "svc-catalog.shop.svc", 1),
            ("http://[::1]:80", "::1", 80),
        ] {
            assert_eq!(parsed(text), Ok((host.to_owned(), port)), "{text}");
        }
        for text in [
            "",
            "svc-catalog:50051",
            "https://svc-catalog:50051",
            "http://svc-catalog",
            "http://svc-catalog:0",
            "http://svc-catalog:70000",
            "http://svc-catalog:1/path",
            "http://svc-catalog:1?query",
            "http://user:word@svc-catalog:1",
            "http://:1",
            "http://a:1;http://b:1",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
