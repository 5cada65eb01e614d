//! Who is at the other end: whether they may speak plain HTTP, and which client they speak for.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The most entries and bytes of `X-Forwarded-For` that are looked at, from the right. A client can put
/// what it likes to the left of what the trusted proxies add, and none of that is ever read.
const MAX_HOPS: usize = 20;
const MAX_FORWARDED_BYTES: usize = 1024;

/// What the operator said about peers.
#[derive(Debug)]
pub(super) struct PeerPolicy {
    trusted_proxies: Vec<IpNet>,
}

impl PeerPolicy {
    pub(super) fn new(trusted_proxies: Vec<IpNet>) -> Self {
        Self { trusted_proxies }
    }

    /// Whether `peer` may send tokens and passwords unencrypted: it is this machine, or a proxy whose
    /// link the operator answers for.
    pub(super) fn may_speak_plain(&self, peer: IpAddr) -> bool {
        peer.to_canonical().is_loopback() || self.trusts(peer)
    }

    /// Whether `peer` is one of the proxies whose `X-Forwarded-For` is believed.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    /// The client behind `peer`: the right-most address in `X-Forwarded-For` that is not a trusted
    /// proxy's. When all are trusted it is the left-most, where the request began. When an entry that
    /// has to be read is no address, or more than the bounds allow would have to be, it is the peer.
    pub(super) fn client_addr(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let client = if self.trusts(peer) {
            self.forwarded_for(headers)
        } else {
            None
        };
        client.unwrap_or_else(|| peer.to_canonical())
    }

    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut bytes = 0;
        let mut origin = None;
        // Several lines of one header are one list, in order (RFC 9110 section 5.3).
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for (hop, entry) in entries.enumerate() {
            bytes += entry.len() + 1;
            if hop >= MAX_HOPS || bytes > MAX_FORWARDED_BYTES {
                return None;
            }
            let address = parse_hop(entry)?;
            if !self.trusts(address) {
                return Some(address);
            }
            origin = Some(address);
        }
        origin
    }
}

/// One entry: an address, in brackets or not, with a port or not (some load balancers add it).
fn parse_hop(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = match bare.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => text.parse::<SocketAddr>().ok()?.ip(),
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> PeerPolicy {
        PeerPolicy::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
    }

    fn client(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                FORWARDED_FOR,
                http::HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        policy().client_addr(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn plain_http_is_for_loopback_and_trusted_proxies() {
        let cases = [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("fd00::7", true),
            ("11.0.0.1", false),
            ("::ffff:11.0.0.1", false),
            ("192.168.0.1", false),
            ("0.0.0.0", false),
            ("::", false),
            ("2001:db8::1", false),
        ];
        for (peer, allowed) in cases {
            assert_eq!(policy().may_speak_plain(peer.parse().unwrap()), allowed, "{peer}");
        }
    }

    #[test]
    fn client_address_is_the_right_most_untrusted_hop() {
        let long = format!("{}, 203.0.113.9", "x".repeat(5000));
        let cases: &[(&str, &[&str], &str)] = &[
            // No proxy, or none that is trusted: the header is a claim of the client's.
            ("198.51.100.1", &[], "198.51.100.1"),
            ("198.51.100.1", &["203.0.113.9"], "198.51.100.1"),
            ("127.0.0.1", &["203.0.113.9"], "127.0.0.1"),
            ("::ffff:198.51.100.1", &["203.0.113.9"], "198.51.100.1"),
            // A trusted proxy.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1,203.0.113.9 ,\t10.0.0.2"], "203.0.113.9"),
            (
                "10.0.0.1",
                &["1.1.1.1", "203.0.113.9, 10.0.0.3", "10.0.0.2"],
                "203.0.113.9",
            ),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Spellings.
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &["2001:db8::9"], "2001:db8::9"),
            ("10.0.0.1", &["[2001:db8::9]"], "2001:db8::9"),
            ("10.0.0.1", &["[2001:db8::9]:4711"], "2001:db8::9"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            // What the client put to the left is not read, however it looks.
            ("10.0.0.1", &["\u{e9} junk, ,, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &[&long], "203.0.113.9"),
            // Malformed where it has to be read.
            ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, "], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, bad, 10.0.0.2"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.256"], "10.0.0.1"),
            ("10.0.0.1", &["[203.0.113.9"], "10.0.0.1"),
            ("10.0.0.1", &["fe80::1%eth0"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9 10.0.0.2"], "10.0.0.1"),
            ("10.0.0.1", &["\u{e9}"], "10.0.0.1"),
        ];
        for (peer, lines, expected) in cases {
            assert_eq!(client(peer, lines), *expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn forwarded_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.insert("forwarded", http::HeaderValue::from_static("for=203.0.113.9"));
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(policy().client_addr(peer, &headers), peer);
    }

    #[test]
    fn hops_and_bytes_are_bounded() {
        let trusted = |hops: usize| vec!["10.0.0.2"; hops].join(",");
        let within = format!("203.0.113.9,{}", trusted(MAX_HOPS - 1));
        assert_eq!(client("10.0.0.1", &[&within]), "203.0.113.9");
        let beyond = format!("203.0.113.9,{}", trusted(MAX_HOPS));
        assert_eq!(client("10.0.0.1", &[&beyond]), "10.0.0.1");
        let padded = format!("203.0.113.9,{}10.0.0.2", " ".repeat(MAX_FORWARDED_BYTES));
        assert_eq!(client("10.0.0.1", &[&padded]), "10.0.0.1");
    }
}
