//! Networks as files name them: where an account may call from, and which proxies are believed.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::yaml::{Diagnostic, Diagnostics, Node, Source};

/// Reads a list of networks and single addresses. What is not one is a finding, and left out.
#[must_use]
pub fn read(node: &Node, source: &Source, found: &mut Diagnostics) -> Vec<IpNet> {
    let items = node.list(source, found).unwrap_or_default();
    let networks = items.iter().filter_map(|node| network(node, source, found));
    networks.collect()
}

/// Whether an address is in one of these. An IPv4 address is the same however it is written, as
/// `::ffff:192.0.2.1` too: that is how a socket for both kinds shows it.
#[must_use]
pub fn contain(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

fn network(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<IpNet> {
    let text = node.string(source, found)?;
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address);
    let (message, help) = match network {
        Some(network) if network.trunc() == network => return Some(canonical(network)),
        Some(network) => (
            format!("`{network}` has an address within the network"),
            format!("`{}`?", network.trunc()),
        ),
        None => {
            let short: String = text.chars().take(60).collect();
            let help = "such as `10.0.0.0/8` or `fd00::/8`";
            (format!("`{short}` is no network"), help.to_owned())
        }
    };
    found.push(Diagnostic::error(source, node.span, message).help(help));
    None
}

/// IPv4 in the clothes of IPv6 is IPv4, as with addresses.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let length = v6.prefix_len().checked_sub(MAPPED);
    let mapped = v6.network().to_ipv4_mapped().zip(length);
    match mapped.map(|(address, length)| Ipv4Net::new(address, length)) {
        Some(Ok(v4)) => v4.into(),
        _ => network,
    }
}

/// The `/64` of an IPv6 address, which is what one site has at least: its addresses are for free.
/// An IPv4 address stands for itself.
pub(super) fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The length of the prefix in which IPv6 has all of IPv4.
const MAPPED: u8 = 96;

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http::{HeaderMap, HeaderValue};

    use super::super::access::tests::authenticator;
    use super::super::token::{TokenHash, generate, tests::counting};
    use super::super::{AuthError, Presented, Rejection, instant};
    use super::*;
    use crate::yaml;

    fn token(id: &str) -> String {
        let id = id.parse().unwrap();
        generate(&id, &mut counting(3)).unwrap().expose().to_owned()
    }

    fn rejected(reason: Rejection) -> Result<String, AuthError> {
        Err(AuthError::Rejected(reason))
    }

    fn networks(text: &str) -> Result<Vec<IpNet>, String> {
        let source = Source::new("access.yaml", text);
        let node = yaml::parse(&source).unwrap();
        let mut found = Diagnostics::default();
        let networks = read(&node, &source, &mut found);
        if found.has_errors() {
            return Err(found.iter().map(Diagnostic::one_line).collect());
        }
        Ok(networks)
    }

    fn within(text: &str, address: &str) -> bool {
        contain(&networks(text).unwrap(), address.parse().unwrap())
    }

    #[test]
    fn addresses_are_told_from_one_another() {
        let some =
            "[10.0.0.0/8, 192.0.2.1, \"2001:db8::/32\", \"fd00::1\", \"::ffff:198.51.100.0/120\"]";
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "::ffff:10.1.2.3",
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "2001:db8:ffff::9",
            "fd00::1",
            "198.51.100.7",
            "::ffff:198.51.100.255",
        ] {
            assert!(within(some, inside), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "192.0.2.2",
            "::ffff:192.0.2.2",
            "::10.0.0.1",
            "::192.0.2.1",
            "2001:db9::",
            "fd00::2",
            "::1",
            "198.51.101.0",
        ] {
            assert!(!within(some, outside), "{outside}");
        }
        assert!(!within("[\"::/0\"]", "::ffff:10.0.0.1"), "that is IPv4");
        assert!(!within("[0.0.0.0/0]", "2001:db8::1"));
        assert!(within("[\"::ffff:0:0/96\"]", "10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "[10.0.0.0/33]",
            "[10.0.0.1/8]",
            "[\"::ffff:10.0.0.1/100\"]",
            "[10.0.0]",
            "[example.com]",
            "[\"\"]",
            "[7]",
            "[\"fe80::1%eth0\"]",
            "10.0.0.0/8",
        ] {
            assert!(networks(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_site_is_one_address_or_64_bits() {
        let site = |text: &str| site(text.parse().unwrap()).to_string();
        assert_eq!(site("192.0.2.1"), "192.0.2.1");
        assert_eq!(site("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(site("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn an_account_is_known_from_its_networks_only() {
        let found = authenticator(&format!(
            "roles: {{}}
accounts:
  - name: entra
    roles: []
    tenants: []
    networks: [192.0.2.0/24, \"2001:db8::/32\"]
    tokens: [{{id: k1, sha256: {}}}, {{id: k2, sha256: {}, expires: 2026-01-01}}]",
            TokenHash::of(&token("k1")),
            TokenHash::of(&token("k2")),
        ));
        let now = instant::parse("2026-11-15").unwrap();
        let from = |address: &str, token: &str| {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            headers.insert(AUTHORIZATION, value);
            let presented = Presented::new(&headers, address.parse().unwrap());
            let caller = found.authenticate(&presented, now);
            caller.map(|caller| caller.now().unwrap().key.to_string())
        };
        let elsewhere = || {
            Err(AuthError::Elsewhere {
                account: "entra".into(),
                key: "k1".into(),
            })
        };
        for address in ["192.0.3.0", "::ffff:198.51.100.1", "2001:db9::1", "::1"] {
            assert_eq!(from(address, &token("k1")), elsewhere(), "{address}");
        }
        assert_eq!(found.last_use("k1"), None, "that was no use");
        for address in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"] {
            assert_eq!(from(address, &token("k1")), Ok("k1".to_owned()));
        }
        assert_eq!(found.last_use("k1"), Some(now));
        // What is not valid anyway is told as before.
        assert_eq!(from("::1", &token("k2")), rejected(Rejection::Expired));
        assert_eq!(from("::1", &token("k3")), rejected(Rejection::Unknown));
        let texts = [elsewhere(), rejected(Rejection::Unknown)];
        let texts = texts.map(|result| result.unwrap_err().to_string());
        assert_eq!(texts[0], texts[1]);
    }
}
