//! A server that was started for the tests, and a subtree of it for each test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postern::directory::http::Identity;
use postern::directory::ldap::{
    Attribute, Bind, Dn, LdapConfig, LdapError, LdapResult, Pool, Write,
};
use postern::net::Secret;
use serde_json::Value;

/// What `servers.py` tells of a server.
pub(crate) struct Place {
    told: Value,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Slapd,
    Ds389,
    Samba,
}

impl Kind {
    /// The server, if it was started.
    pub(crate) fn place(self) -> Option<Place> {
        let variable = match self {
            Self::Slapd => "POSTERN_TEST_SLAPD",
            Self::Ds389 => "POSTERN_TEST_389DS",
            Self::Samba => "POSTERN_TEST_SAMBA",
        };
        match std::env::var(variable) {
            Ok(told) => Some(Place {
                told: serde_json::from_str(&told).unwrap(),
                kind: self,
            }),
            Err(_) => {
                println!("skipped: {variable} is not set; scripts/test ldap starts the server");
                None
            }
        }
    }
}

impl Place {
    pub(crate) fn told(kind: Kind, told: Value) -> Self {
        Self { told, kind }
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.told[key].as_str().unwrap()
    }

    pub(crate) fn bytes(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.text(key)).unwrap()
    }

    pub(crate) fn base(&self) -> Dn {
        self.text("base").parse().unwrap()
    }

    pub(crate) fn administrator(&self) -> Bind {
        Bind::Simple {
            dn: self.text("bind_dn").parse().unwrap(),
            password: Secret::from_file_text(
                std::fs::read_to_string(self.text("password_file")).unwrap(),
            ),
        }
    }

    /// As the administrator over TLS.
    pub(crate) fn config(&self) -> LdapConfig {
        LdapConfig {
            ca: Some(self.bytes("ca")),
            bind: self.administrator(),
            ..LdapConfig::new(vec![self.text("ldaps").parse().unwrap()])
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        let key = String::from_utf8(self.bytes("key")).unwrap();
        Identity {
            certificate: self.bytes("certificate"),
            key: Secret::new(key),
        }
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        Pool::open(self.config(), None).unwrap()
    }

    /// An organizational unit for one test, which is not there yet.
    pub(crate) async fn unit(&self, pool: &Arc<Pool>, name: &str) -> Dn {
        let units: Dn = self.text("units").parse().unwrap();
        let dn = units.child("ou", name.to_owned()).unwrap();
        let unit = Write::Add {
            dn: dn.clone(),
            attributes: vec![
                Attribute::one("objectClass", "organizationalUnit"),
                Attribute::one("ou", name.to_owned()),
            ],
        };
        done(pool.write(unit, &[], soon()).await.map(|o| o.result));
        dn
    }

    /// A person, or what comes near one: below `unit`, named by `cn`.
    pub(crate) fn person(&self, unit: &Dn, cn: &str, more: &[Attribute]) -> Write {
        let class = match self.kind {
            Kind::Slapd | Kind::Ds389 => "inetOrgPerson",
            Kind::Samba => "contact",
        };
        let mut attributes = vec![
            Attribute::one("objectClass", class),
            Attribute::one("cn", cn.to_owned()),
            Attribute::one("sn", "Test"),
        ];
        attributes.extend_from_slice(more);
        Write::Add {
            dn: unit.child("cn", cn.to_owned()).unwrap(),
            attributes,
        }
    }

    /// So many of them, `x0` and on.
    pub(crate) async fn people(&self, pool: &Arc<Pool>, unit: &Dn, count: usize) {
        let mut under_way = tokio::task::JoinSet::new();
        for number in 0..count {
            let write = self.person(unit, &format!("x{number}"), &[]);
            let pool = Arc::clone(pool);
            under_way.spawn(async move {
                done(pool.write(write, &[], soon()).await.map(|o| o.result));
            });
            if under_way.len() >= 50 {
                under_way.join_next().await.unwrap().unwrap();
            }
        }
        while let Some(one) = under_way.join_next().await {
            one.unwrap();
        }
    }
}

/// A generous deadline.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// It went well.
#[track_caller]
pub(crate) fn done(result: Result<LdapResult, LdapError>) {
    let result = result.unwrap();
    assert!(
        result.is_success(),
        "{result}: {} ({})",
        result.message,
        result.matched
    );
}

/// One test for each server.
macro_rules! on_every_server {
    ($($name:ident)*) => {
        mod slapd {
            $(#[tokio::test]
            async fn $name() {
                if let Some(place) = crate::place::Kind::Slapd.place() { super::$name(place).await }
            })*
        }
        mod ds389 {
            $(#[tokio::test]
            async fn $name() {
                if let Some(place) = crate::place::Kind::Ds389.place() { super::$name(place).await }
            })*
        }
        mod samba {
            $(#[tokio::test]
            async fn $name() {
                if let Some(place) = crate::place::Kind::Samba.place() { super::$name(place).await }
            })*
        }
    };
}
pub(crate) use on_every_server;
