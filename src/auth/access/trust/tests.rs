//! Entries of `trust` and of `claims`, good and bad.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::auth::Authenticator;
use crate::auth::access::{Files, load};
use crate::auth::trust::Origin;
use crate::yaml::{Diagnostics, Source};

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn read(text: &str) -> Result<Authenticator, Diagnostics> {
    let mut files = Files::default();
    for (name, text) in [
        ("keys.json", KEYS),
        ("none.json", "{\"keys\": [7]}"),
        ("no.json", "keys"),
        ("secret", "word\n"),
        ("empty", "\n"),
        ("ca.pem", "no certificate"),
    ] {
        files.insert(name, Ok(Arc::new(Zeroizing::new(text.as_bytes().to_vec()))));
    }
    files.insert("gone", Err("no such file".into()));
    load(&Source::new("access.yaml", text), &files)
}

fn findings(text: &str) -> String {
    read(text).err().unwrap_or_default().render(false)
}

#[test]
fn every_way_is_read() {
    let text = "roles: {}
accounts:
  - {name: a, roles: [], tenants: [], claims: [{trust: kc, azp: 7, roles: [x, y]}, {trust: box, username: r}]}
  - {name: b, roles: [], tenants: [], claims: [{trust: kc, azp: other}]}
trust:
  - name: kc
    issuer: https://id.example.com/realms/corp/
    audience: one
    jwks: {url: \"https://id.example.com/certs\", stale: 2h}
    algorithms: [ES256, PS256]
    types: [at+jwt]
    leeway: 0s
    require: {tid: x, roles: [a, b]}
  - {name: file, issuer: https://id.example.com, audience: [one, two], jwks: {file: keys.json}}
  - {name: entra, preset: entra, tenant_id: 8EAEF023-2b34-4da1-9baa-8bc8c9d6a490}
  - {name: box, verify_token: {url: \"https://box/api/v1/oauth/verify_token/\", client_id: rp}}
";
    let found = read(text).unwrap_or_else(|found| panic!("{}", found.render(false)));
    let shown: Vec<String> = found
        .trusts()
        .states()
        .map(|state| match state.origin {
            Origin::Keys { issuer, ring, .. } => {
                format!("{} {issuer} {:?} {:?}", state.name, ring.url, ring.names)
            }
            Origin::Asked { url, .. } => format!("{} {url}", state.name),
        })
        .collect();
    let entra = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    assert_eq!(
        shown,
        [
            r#"kc https://id.example.com/realms/corp/ Some("https://id.example.com/certs") []"#
                .to_owned(),
            r#"file https://id.example.com None ["a"]"#.to_owned(),
            format!(
                "entra https://sts.windows.net/{entra}/ \
                 Some(\"https://login.microsoftonline.com/{entra}/discovery/v2.0/keys\") []"
            ),
            "box https://box/api/v1/oauth/verify_token/".to_owned(),
        ]
    );
    assert_eq!(found.trusts().rings().count(), 3);
    let warnings = found.cross_check(&[], &[]).render(false);
    assert!(warnings.contains("testing only"), "{warnings}");
}

#[test]
fn every_mistake_is_told_where_it_is() {
    insta::assert_snapshot!(findings(
        "roles: {}
accounts:
  - name: a
    roles: []
    tenants: []
    claims:
      - {trust: ks, sub: x}
      - {trust: kc}
      - {trust: kc, email: x}
      - {trust: kc, sub: []}
      - {trust: kc, sub: x, aud: y}
      - {sub: x}
  - {name: b, roles: [], tenants: [], claims: [{trust: kc, azp: [app, x]}]}
  - {name: c, roles: [], tenants: [], claims: [{trust: kc, azp: app, roles: r}]}
trust:
  - {name: kc, issuer: https://id, audience: a, jwks: {file: keys.json}}
  - {name: kc, issuer: https://id, audience: [], jwks: {file: gone}}
  - {name: 'a b', issuer: id, audience: a, jwks: {url: \"http://id/keys\"}}
  - {name: c, issuer: https://c, jwks: {url: \"https://c/keys\", file: keys.json}}
  - {name: d, issuer: https://d, audience: a, jwks: {file: none.json, ca_file: ca.pem}}
  - {name: e, issuer: https://e, audience: a, jwks: {file: no.json}, algorithms: [HS256, none, ES512]}
  - {name: f, issuer: https://f, audience: a, jwks: {url: \"https://f/\", ca_file: ca.pem, stale: 1s}}
  - {name: g, issuer: https://g, audience: a, jwks: {url: \"https://g/\"}, leeway: 1h, requires: {}}
  - {name: h, preset: entra}
  - {name: i, preset: entra, tenant_id: common}
  - {name: j, preset: entr, tenant_id: x}
  - {name: k}
  - {name: l, introspect: {url: \"https://l/\", client_id: '', client_secret_file: empty}}
  - {name: m, verify_token: {url: \"https://169.254.169.254/\", client_id: x, client_secret_file: secret}}
  - {name: n, introspect: {}, preset: entra}
  - n
"
    ));
}

#[test]
fn an_issuer_is_ours_or_another_s() {
    let text = "roles: {}
accounts: []
trust: [{name: x, issuer: https://scim.example.com, audience: a, jwks: {file: keys.json}}]
issue: {issuer: https://scim.example.com, keys: [{file: gone}]}
";
    let found = findings(text);
    assert!(found.contains("judged twice"), "{found}");
    assert!(found.contains("no such file"), "{found}");
}

#[test]
fn secrets_are_not_shown() {
    let text = "roles: {}
accounts: []
trust: [{name: x, introspect: {url: \"https://x/\", client_id: us, client_secret_file: secret}}]
";
    let found = read(text).unwrap_or_else(|found| panic!("{}", found.render(false)));
    assert!(!format!("{found:?}").contains("word"));
}
