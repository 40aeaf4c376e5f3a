//! Where a request comes from: the peer's address, or what a trusted proxy
//! before us says about it.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::HeaderMap;

/// The header that proxies append addresses to.
pub const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Proxies one after the other that are looked at, from ours backwards.
const MAX_HOPS: usize = 16;

/// A network: "10.0.0.0/8", "::1".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    mask: u128,
}

impl Network {
    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        to_bits(address) & self.mask == self.bits
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("\"{text}\" is not an address or a network"))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(length) => length
                .parse()
                .ok()
                .filter(|length| *length <= width)
                .ok_or_else(|| format!("\"{text}\" is not a network"))?,
        };
        let host_bits = width - length;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Ok(Self {
            bits: to_bits(address) & mask,
            mask,
        })
    }
}

/// IPv4 as the IPv6 that maps it, so that both compare.
fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of the caller: the peer's, unless the peer is a trusted proxy;
/// then the last address in `x-forwarded-for` that is not one. What stands
/// before something that is no address was said by nobody whom we know: the
/// proxy before it is as far as we see. `forwarded` (RFC 7239) is not read:
/// two headers that may differ would be one too many to believe.
pub fn of_caller(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer.to_canonical();
    }
    let mut caller = peer;
    let hops = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    for hop in hops
        .map(|value| value.to_str().unwrap_or_default())
        .flat_map(|value| value.rsplit(','))
        .take(MAX_HOPS)
    {
        let Some(address) = read_hop(hop.trim()) else {
            break;
        };
        caller = address;
        if !is_trusted(address) {
            break;
        }
    }
    caller.to_canonical()
}

/// The network of an address, which is about nobody in particular: 24 bits of
/// IPv4, 48 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    const HOST_BITS_V4: u32 = 8;
    const HOST_BITS_V6: u32 = 80;
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() >> HOST_BITS_V4 << HOST_BITS_V4).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> HOST_BITS_V6 << HOST_BITS_V6).into()),
    }
}

/// An address as proxies write it: alone, or with a port: "1.2.3.4:5",
/// "[::1]:5"; some write brackets without a port.
fn read_hop(hop: &str) -> Option<IpAddr> {
    if let Ok(address) = hop.parse() {
        return Some(address);
    }
    if let Ok(address) = hop.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inner = hop.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// What one customer holds: an address of IPv4, a /64 of IPv6.
pub fn block(address: IpAddr) -> IpAddr {
    const HOST_BITS: u32 = 64;
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> HOST_BITS << HOST_BITS).into()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn caller(peer: &str, forwarded: &'static str, trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static(forwarded));
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        of_caller(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(caller("9.9.9.9", "1.1.1.1", &[]), "9.9.9.9");
        assert_eq!(caller("10.0.0.1", "1.1.1.1", &["10.0.0.0/8"]), "1.1.1.1");
        let forged = "6.6.6.6, 1.1.1.1, 10.0.0.2";
        assert_eq!(caller("10.0.0.1", forged, &["10.0.0.0/8"]), "1.1.1.1");
        assert_eq!(caller("10.0.0.1", "junk", &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(caller("::1", "1.1.1.1", &["::1"]), "1.1.1.1");
    }

    #[test]
    fn proxies_write_addresses_in_many_ways() {
        for (forwarded, expected) in [
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("1.1.1.1:443", "1.1.1.1"),
            ("::ffff:1.1.1.1", "1.1.1.1"),
            (" 1.1.1.1 ,\t10.0.0.2 ", "1.1.1.1"),
            // What is no address hides what stands before it.
            ("1.1.1.1, unknown", "10.0.0.1"),
            ("1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("1.1.1.1,", "10.0.0.1"),
            ("1.1.1.1:99999", "10.0.0.1"),
            ("001.1.1.1", "10.0.0.1"),
            ("1.1.1", "10.0.0.1"),
            ("[1.1.1.1]", "10.0.0.1"),
            ("fe80::1%eth0", "10.0.0.1"),
            ("for=1.1.1.1", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            let of = caller("10.0.0.1", forwarded, &["10.0.0.0/8"]);
            assert_eq!(of, expected, "{forwarded:?}");
        }
    }

    #[test]
    fn several_headers_are_one_list_and_a_long_one_is_not_read_to_its_end() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let peer = "10.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("6.6.6.6"));
        headers.append(
            X_FORWARDED_FOR,
            HeaderValue::from_static("1.1.1.1, 10.0.0.2"),
        );
        headers.insert("forwarded", HeaderValue::from_static("for=7.7.7.7"));
        let of = of_caller(peer, &headers, &trusted).to_string();
        assert_eq!(of, "1.1.1.1");
        let long = format!("6.6.6.6{}", ", 10.0.0.2".repeat(MAX_HOPS));
        headers.insert(X_FORWARDED_FOR, long.parse().unwrap());
        let of = of_caller(peer, &headers, &trusted).to_string();
        assert_eq!(of, "10.0.0.2");
        let latin = HeaderValue::from_bytes(b"1.1.1.1, \xff").unwrap();
        headers.insert(X_FORWARDED_FOR, latin);
        assert_eq!(of_caller(peer, &headers, &trusted), peer);
    }

    #[test]
    fn networks_are_read() {
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("shop".parse::<Network>().is_err());
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert!(!all.contains("2001::1".parse().unwrap()));
    }

    #[test]
    fn the_network_tells_no_host() {
        let told = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(told("203.0.113.77"), "203.0.113.0");
        assert_eq!(told("2001:db8:1:2:3::4"), "2001:db8:1::");
    }

    #[test]
    fn neighbours_in_a_v6_network_are_one() {
        let a = block("2001:db8::1".parse().unwrap());
        assert_eq!(a, block("2001:db8::ffff:1".parse().unwrap()));
        assert_ne!(a, block("2001:db8:0:1::1".parse().unwrap()));
    }
}
