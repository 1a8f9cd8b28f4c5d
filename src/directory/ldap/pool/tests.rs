//! What can be told of a pool without a server.

use super::*;
use crate::net::secret::Secret;

fn config(urls: &[&str]) -> LdapConfig {
    LdapConfig::new(urls.iter().map(|url| url.parse().unwrap()).collect())
}

fn simple(password: &str) -> Bind {
    Bind::Simple {
        dn: "cn=admin,dc=x".parse().unwrap(),
        password: Secret::new(password.to_owned()),
    }
}

#[test]
fn passwords_do_not_go_over_the_network_in_the_clear() {
    let open = |urls: &[&str], change: fn(&mut LdapConfig)| {
        let mut config = LdapConfig {
            bind: simple("hunter2"),
            ca: Some(b"".to_vec()),
            ..config(urls)
        };
        change(&mut config);
        Pool::open(config, None).map(drop)
    };
    for local in [
        "ldap://127.0.0.1",
        "ldap://[::1]",
        "ldap://localhost",
        "ldapi://%2fx",
    ] {
        assert_eq!(open(&[local], |_| {}), Ok(()), "{local}");
    }
    let clear = OpenError::Clear("ldap://ldap1:389".to_owned());
    assert_eq!(
        open(&["ldap://localhost", "ldap://ldap1"], |_| {}),
        Err(clear)
    );
    assert_eq!(
        open(&["ldap://ldap1"], |config| config.insecure = true),
        Ok(())
    );
    // Encrypted, and so it is the CA file that is at fault here.
    for (url, change) in [
        ("ldaps://ldap1", (|_| {}) as fn(&mut LdapConfig)),
        ("ldap://ldap1", |config| config.start_tls = true),
    ] {
        assert!(
            matches!(open(&[url], change), Err(OpenError::Tls(_))),
            "{url}"
        );
    }
    let empty = open(&["ldap://localhost"], |config| config.bind = simple(""));
    assert_eq!(empty, Err(OpenError::EmptyPassword));
    let external = open(&["ldap://localhost"], |config| config.bind = Bind::External);
    assert!(matches!(external, Err(OpenError::NoIdentity(_))));
    assert_eq!(open(&[], |_| {}), Err(OpenError::Nowhere));
}

#[test]
fn an_equal_configuration_keeps_the_pool() {
    let first = Pool::open(config(&["ldap://localhost"]), None).unwrap();
    let same = Pool::open(config(&["ldap://localhost"]), Some(&first)).unwrap();
    assert!(Arc::ptr_eq(&first, &same));
    let other = LdapConfig {
        page: 100,
        ..config(&["ldap://localhost"])
    };
    let other = Pool::open(other, Some(&first)).unwrap();
    assert!(!Arc::ptr_eq(&first, &other) && Arc::ptr_eq(&first.tally, &other.tally));
    let elsewhere = Pool::open(config(&["ldap://127.0.0.1"]), Some(&first)).unwrap();
    assert!(!Arc::ptr_eq(&first.tally, &elsewhere.tally));
    let shown = format!(
        "{:?}",
        LdapConfig {
            bind: simple("hunter2"),
            ..config(&[])
        }
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}
