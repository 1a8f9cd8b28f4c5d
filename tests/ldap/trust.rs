//! Who we are, and whom we talk to.

use postern::directory::ldap::{Bind, Code, LdapConfig, LdapError, Pool, Product, Request, Why};
use postern::net::Secret;

use crate::place::{Kind, Place, on_every_server, soon};

on_every_server! {
    a_password_over_tls_is_taken_and_the_server_known
    starttls_is_as_good
    the_schema_is_understood
    a_wrong_password_is_told_from_a_server_that_is_away
    a_certificate_of_another_authority_is_refused
}

async fn who(config: LdapConfig) -> Result<String, LdapError> {
    let pool = Pool::open(config, None).unwrap();
    let answer = pool.call(&Request::who_am_i(), soon()).await?;
    let value = answer.value.unwrap_or_default();
    Ok(String::from_utf8(value.to_vec()).unwrap())
}

async fn a_password_over_tls_is_taken_and_the_server_known(place: Place) {
    let pool = place.pool();
    assert_eq!(pool.offers(), None);
    pool.check(soon()).await;
    let offers = pool.offers().unwrap();
    let product = match place.kind {
        Kind::Slapd => Product::OpenLdap,
        Kind::Ds389 => Product::Ds389,
        Kind::Samba => Product::ActiveDirectory,
    };
    assert_eq!(offers.product, product);
    assert!(offers.paged && offers.subschema.is_some());
    assert_eq!(offers.post_read, place.kind != Kind::Samba);
    assert_eq!(offers.assertion, place.kind == Kind::Slapd);
    assert_eq!(offers.permissive, place.kind != Kind::Ds389);
    assert_eq!(pool.vitals().open, 1);
    if offers.who_am_i {
        // 389 DS puts a space in.
        let name = who(place.config())
            .await
            .unwrap()
            .replace(": ", ":")
            .to_lowercase();
        assert_eq!(name, format!("dn:{}", place.text("bind_dn").to_lowercase()));
    }
}

async fn starttls_is_as_good(place: Place) {
    let config = LdapConfig {
        urls: vec![place.text("url").parse().unwrap()],
        start_tls: true,
        ..place.config()
    };
    let pool = Pool::open(config, None).unwrap();
    let root = postern::directory::ldap::Search::entry(place.base(), &["objectClass"]);
    let entry = pool.one(root, soon()).await.unwrap().unwrap();
    assert!(!entry.values("objectClass").is_empty());
}

async fn the_schema_is_understood(place: Place) {
    let schema = place.pool().schema(soon()).await.unwrap();
    assert_eq!(schema.skipped(), 0);
    let member = schema.attribute("member").unwrap();
    assert!(!member.single_value);
    assert!(!schema.attribute("cn").unwrap().names.is_empty());
    let class = match place.kind {
        Kind::Slapd | Kind::Ds389 => "inetOrgPerson",
        Kind::Samba => "user",
    };
    let required = schema.required(&[class]);
    assert!(
        required.contains("cn") || place.kind == Kind::Samba,
        "{required:?}"
    );
    assert!(schema.allows(&[class], "mail") && !schema.allows(&[class], "member"));
    if place.kind != Kind::Samba {
        // Active Directory's does not tell how values compare.
        let matching = member.equality.as_deref();
        assert_eq!(matching, Some("distinguishedNameMatch"));
        assert!(required.contains("sn"), "{required:?}");
    }
}

async fn a_wrong_password_is_told_from_a_server_that_is_away(place: Place) {
    let Bind::Simple { dn, .. } = place.administrator() else {
        unreachable!()
    };
    let config = LdapConfig {
        bind: Bind::Simple {
            dn,
            password: Secret::new("not-the-password".to_owned()),
        },
        ..place.config()
    };
    let pool = Pool::open(config, None).unwrap();
    for _ in 0..5 {
        let answer = pool.call(&Request::who_am_i(), soon()).await;
        let error = answer.unwrap_err();
        let wrong = LdapError::Unsent(Why::Credentials(Code::INVALID_CREDENTIALS));
        assert_eq!(error, wrong);
    }
    // A directory that counts wrong passwords saw one.
    assert_eq!(pool.vitals().connect_failures, 1);
}

async fn a_certificate_of_another_authority_is_refused(place: Place) {
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let config = LdapConfig {
        ca: Some(other.cert.pem().into_bytes()),
        timeouts: postern::directory::ldap::Timeouts {
            connect: std::time::Duration::from_millis(300),
            ..Default::default()
        },
        ..place.config()
    };
    let error = who(config).await.unwrap_err();
    let LdapError::Unsent(Why::Untrusted(text)) = error else {
        panic!("{error:?}");
    };
    assert!(text.contains("signed by none of the authorities"), "{text}");
}

#[tokio::test]
async fn a_client_certificate_or_a_socket_shows_who_we_are() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let by_certificate = LdapConfig {
        bind: Bind::External,
        identity: Some(place.identity()),
        ..place.config()
    };
    let by_socket = LdapConfig {
        bind: Bind::External,
        ..LdapConfig::new(vec![place.text("ldapi").parse().unwrap()])
    };
    let by_nothing = LdapConfig {
        bind: Bind::Anonymous,
        ..LdapConfig::new(vec![place.text("url").parse().unwrap()])
    };
    let administrator = format!("dn:{}", place.text("bind_dn"));
    assert_eq!(who(by_certificate).await.unwrap(), administrator);
    assert_eq!(who(by_socket).await.unwrap(), administrator);
    assert_eq!(who(by_nothing).await.unwrap(), "");
}
