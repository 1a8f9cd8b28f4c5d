//! An account that requires both: whatever kind of token proves it, the certificate is wanted too.

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::stopping::until;
use super::super::support::issuer::Issuer;
use super::super::support::pki::Pki;
use super::super::support::world::token;
use super::{bearer, ctl, identity, once, program};

const SECRET: &str = "postern_client_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kind_of_token_does_without_the_certificate() {
    let hash = |text: &str| -> String {
        let hash = Sha256::digest(text);
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let issuer = Issuer::start().await;
    for name in ["opaque-1", "opaque-2", "opaque-3"] {
        let said = json!({"active": true, "client_id": "robot"});
        issuer.held().tokens.insert(name.to_owned(), said);
    }
    let accounts = format!(
        "name: both, requires: both, certificates: [{{subject: \"CN=both,O=Example\"}}], \
         tokens: [{{id: both, sha256: {}}}], \
         clients: [{{id: app, secret_sha256: {}}}], claims: [{{trust: opaque, client_id: robot}}]
name: okta, certificates: [{{subject: \"CN=okta,O=Example\"}}]",
        hash(&token("both")),
        hash(SECRET)
    );
    let (_directory, program) = program("client_certificates: optional", &accounts).await;
    let Some(pki) = Pki::of(&program) else { return };
    pki.root("root");
    pki.client("both", "root");
    pki.client("okta", "root");
    let key = rcgen::KeyPair::generate().unwrap();
    program.write("ours.pem", &key.serialize_pem());
    program.write("word", "s3cret");
    program.append(
        "access.yaml",
        &format!(
            "issue: {{issuer: \"https://localhost\", keys: [{{file: ours.pem}}]}}\n\
             trust:\n  - {{name: opaque, introspect: {{url: \"{}\", client_id: us, \
             client_secret_file: word}}}}\n",
            issuer.url("/introspect")
        ),
    );
    program.append("postern.yaml", "audit: {file: audit.ndjson}\n");
    let serving = program.serve("/corp");
    let mut nobody = serving.client.clone();
    nobody.authorization.clear();
    nobody.base.clear();
    let asked = async |secret: &str| {
        let form = format!("grant_type=client_credentials&client_id=app&client_secret={secret}");
        nobody
            .send(Method::POST, "/oauth2/token", &[FORM], form)
            .await
    };
    asked("wrong").await.expect(401);
    let own = asked(SECRET).await.expect(200).json();
    let own = format!(
        "authorization: Bearer {}\r\n",
        own["access_token"].as_str().unwrap()
    );
    let opaque = |number: u8| format!("authorization: Bearer opaque-{number}\r\n");
    let (both, okta) = (Some("both"), Some("okta"));
    for (certificate, headers, status) in [
        (None, &*bearer("both"), 401),
        (okta, &*bearer("both"), 401),
        (both, &*bearer("both"), 200),
        (None, &*own, 401),
        (okta, &*own, 401),
        (both, &*own, 200),
        // As it is asked about, and as it is remembered, in either order.
        (None, &*opaque(1), 401),
        (None, &*opaque(1), 401),
        (both, &*opaque(1), 200),
        (okta, &*opaque(2), 401),
        (both, &*opaque(2), 200),
        (both, &*opaque(3), 200),
        (None, &*opaque(3), 401),
        (okta, &*opaque(3), 401),
    ] {
        let found = once(&serving, &identity(&program, certificate), headers).await;
        assert_eq!(found, Some(status), "{certificate:?} with {headers}");
    }
    assert_eq!(issuer.asked("/introspect"), 3);
    let status: Value = {
        let said = ctl(&program, &serving, &["status", "--json"]);
        serde_json::from_str(&said.out).unwrap()
    };
    let accounts = status["accounts"].as_array().unwrap();
    let shown = accounts.iter().find(|one| one["name"] == "both").unwrap();
    assert_eq!(shown["clients"][0]["id"], "app");
    assert!(shown["clients"][0]["last_use"].is_string(), "{shown}");

    // And the trail knows who it was.
    let tls = (*identity(&program, both)).clone();
    let mut writer = serving.client.with_tls(tls);
    writer.authorization = own
        .trim_start_matches("authorization: ")
        .trim_end()
        .to_owned();
    writer.delete("/Users/1").await;
    let records = || -> Vec<Value> {
        let text = program.read("audit.ndjson");
        let lines = text.lines().map(serde_json::from_str);
        lines.filter_map(Result::ok).collect()
    };
    let of = |event: &str| {
        records()
            .into_iter()
            .find(|record| record["event"] == event)
    };
    until("the intent", async || of("intent").is_some()).await;
    let intent = of("intent").unwrap();
    let digest = Sha256::digest(certificate(&program.read("both.crt")));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(intent["certificate"], format!("sha256:{}", &digest[..16]));
    assert_eq!(
        (&intent["account"], &intent["key"]),
        (&json!("both"), &json!("app"))
    );
    let issued = of("token_issued").unwrap();
    assert_eq!(
        (&issued["account"], &issued["key"]),
        (&json!("both"), &json!("app"))
    );
    assert_eq!(
        (&issued["scope"], &issued["seconds"]),
        (&json!("admin"), &json!(600))
    );
    let refused = of("token_refused").unwrap();
    assert_eq!(refused["status"], 401);
    assert_eq!(refused.get("account"), None, "{refused}");
    // Nothing that opens a door is written anywhere.
    let written = program.read("audit.ndjson") + &program.log();
    let access: Vec<_> = serving.access().iter().map(Value::to_string).collect();
    let written = written + &access.join("\n");
    let jwt = writer.authorization.trim_start_matches("Bearer ");
    let signature = jwt.rsplit('.').next().unwrap();
    for secret in [SECRET, jwt, signature, "opaque-1", "s3cret", &token("both")] {
        assert!(!written.contains(secret), "{secret} in {written}");
    }
}

fn certificate(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    der.to_vec()
}
