//! Access tokens of our own, from the endpoint to the directory, in a program that runs.

mod errors;
mod rsa;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use http::Method;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::scripted::{Act, json_answer};
use crate::support::world::rule;
use crate::support::{Answer, Client, Scripted, World};

const RULE: &str =
    "  User:\n    attributes:\n      - {scim: userName, target: login}\n    unmapped: drop\n";
const ISSUER: &str = "https://localhost";
const SECRET: &str = "postern_client_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JWT_BEARER: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

/// A program that issues, in front of a directory with one user.
struct Issuing {
    world: World,
    client: Client,
    keys: BTreeMap<&'static str, KeyPair>,
    _directory: Scripted,
}

impl Issuing {
    async fn start() -> Self {
        let user = json_answer(200, r#"{"id":"1","login":"a"}"#);
        let directory = Scripted::start([Act::Say(user)]).await;
        let text = rule("/corp", &directory.url(), "", RULE);
        let world = World::start(&[("corp", &text)]);
        let client = world.client("");
        let pair = |of| KeyPair::generate_for(of).unwrap();
        let keys = BTreeMap::from([
            ("ours", pair(&PKCS_ECDSA_P256_SHA256)),
            ("next", pair(&PKCS_ED25519)),
            ("job", pair(&PKCS_ECDSA_P256_SHA256)),
        ]);
        let issuing = Self {
            world,
            client,
            keys,
            _directory: directory,
        };
        for name in ["ours", "next"] {
            issuing.write(&format!("{name}.pem"), &issuing.keys[name].serialize_pem());
        }
        issuing.write("job.pem", &issuing.keys["job"].public_key_pem());
        issuing.access(CLIENTS, "{file: ours.pem}").await;
        issuing
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.world.folder, name, text);
    }

    /// Another access file with these clients and keys, taken.
    async fn access(&self, clients: &str, keys: &str) {
        let errors = self.tries(clients, keys).await;
        assert!(errors.is_empty(), "{errors}");
    }

    /// The same; what is wrong with it.
    async fn tries(&self, clients: &str, keys: &str) -> String {
        let hash = |text: &str| -> String {
            Sha256::digest(text)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        let admin = hash(&crate::support::world::token("admin"));
        let text = format!(
            "roles:
  see: {{allow: [{{resources: \"*\", verbs: [read]}}]}}
  drop: {{allow: [{{resources: \"*\", verbs: [delete]}}]}}
accounts:
  - {{name: admin, roles: [see], tenants: \"*\", tokens: [{{id: admin, sha256: {admin}}}]}}
  - name: okta
    roles: [see, drop]
    tenants: [corp]
    clients: [{}]
issue: {{issuer: \"{ISSUER}\", keys: [{keys}], lifetime: 5m}}
",
            clients.replace("HASH", &hash(SECRET))
        );
        self.write("access.yaml", &text);
        let outcome = self.world.running().reloading().now().await.unwrap();
        outcome.errors.join("\n")
    }

    async fn post(&self, headers: &[(&str, &str)], form: &str) -> Answer {
        let mut all = vec![FORM];
        all.extend(headers);
        let nobody = anonymous(&self.client);
        nobody
            .send(Method::POST, "/oauth2/token", &all, form.to_owned())
            .await
    }

    async fn by_secret(&self, more: &str) -> Answer {
        let form = format!(
            "grant_type=client_credentials&client_id=okta-prod&client_secret={SECRET}{more}"
        );
        self.post(&[], &form).await
    }

    async fn token(&self, more: &str) -> String {
        let answer = self.by_secret(more).await.expect(200).json();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn read_with(&self, token: &str) -> Answer {
        self.client
            .with_token(token)
            .at("/corp")
            .get("/Users/1")
            .await
    }

    /// An assertion of the client that has a key.
    fn assertion(&self, number: &str) -> String {
        sign(&self.keys["job"], &asserts(number))
    }

    async fn by_assertion(&self, assertion: &str) -> Answer {
        let form = format!(
            "grant_type=client_credentials&client_assertion_type={JWT_BEARER}&client_assertion={assertion}"
        );
        self.post(&[], &form).await
    }
}

/// What an assertion of this number says.
fn asserts(number: &str) -> Value {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    json!({"iss": "okta-job", "sub": "okta-job", "jti": number,
        "aud": format!("{ISSUER}/oauth2/token"), "exp": now.unwrap().as_secs() + 120})
}

const CLIENTS: &str =
    "{id: okta-prod, secret_sha256: HASH}, {id: okta-job, public_key_file: job.pem}";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn sign(key: &KeyPair, claims: &Value) -> String {
    let der = key.serialize_der();
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    let key = jsonwebtoken::EncodingKey::from_ec_der(&der);
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

fn error(answer: Answer, status: u16) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let value = answer.json();
    assert!(value["error_description"].is_string(), "{value}");
    value["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_way_to_show_who_it_is_gets_a_token_that_works() {
    let it = Issuing::start().await;
    // `okta-prod:SECRET`, each as a form.
    let pair = format!("okta%2Dprod:{SECRET}");
    let basic = format!("Basic {}", base64(pair.as_bytes()));
    let assertion = it.assertion("1");
    let answers = [
        it.by_secret("&resource=ignored").await,
        it.post(
            &[("authorization", &basic)],
            "grant_type=client_credentials",
        )
        .await,
        it.by_assertion(&assertion).await,
    ];
    for answer in answers {
        let answer = answer.expect(200);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["pragma"], "no-cache");
        let value = answer.json();
        assert_eq!(value["token_type"], "Bearer");
        assert_eq!(value["expires_in"], 300);
        assert_eq!(value["scope"], "see drop");
        let token = value["access_token"].as_str().unwrap();
        assert_eq!(
            it.read_with(token).await.expect(200).json()["userName"],
            "a"
        );
        // As secret tokens: nowhere but in the one header.
        let query = it.client.at("/corp").with_token("x");
        query
            .get(&format!("/Users/1?access_token={token}"))
            .await
            .expect(401);
    }
    // A second time, and after a reload.
    assert_eq!(
        error(it.by_assertion(&assertion).await, 401),
        "invalid_client"
    );
    it.access(CLIENTS, "{file: next.pem}").await;
    assert_eq!(
        error(it.by_assertion(&assertion).await, 401),
        "invalid_client"
    );
}

#[tokio::test]
async fn the_endpoint_says_what_is_wrong_and_no_more() {
    let it = Issuing::start().await;
    let wrong = |secret: &str, id: &str| {
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    };
    let nobody = it.post(&[], &wrong(SECRET, "nobody")).await;
    let mistaken = it.post(&[], &wrong("wrong", "okta-prod")).await;
    assert_eq!(nobody.body, mistaken.body);
    assert_eq!(nobody.headers.get("www-authenticate"), None);
    assert_eq!(error(nobody, 401), "invalid_client");
    assert_eq!(error(mistaken, 401), "invalid_client");
    let pair = base64(b"okta-prod:wrong");
    let tried = [("authorization", format!("Basic {pair}"))];
    let tried = [(tried[0].0, tried[0].1.as_str())];
    let answer = it.post(&tried, "grant_type=client_credentials").await;
    assert!(
        answer.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Basic realm=")
    );
    assert_eq!(error(answer, 401), "invalid_client");

    for (more, code) in [
        ("&scope=see&scope=see", "invalid_request"),
        ("&x=1&x=2", "invalid_request"),
        ("&client_assertion=a.b.c", "invalid_request"),
        ("&grant_type=password", "invalid_request"),
        ("&scope=admin", "invalid_scope"),
        ("&scope=tenant:other", "invalid_scope"),
    ] {
        assert_eq!(error(it.by_secret(more).await, 400), code, "{more}");
    }
    let known = wrong(SECRET, "okta-prod");
    let other = known.replace("client_credentials", "password");
    assert_eq!(
        error(it.post(&[], &other).await, 400),
        "unsupported_grant_type"
    );
    let none = known.replace("grant_type=client_credentials&", "");
    assert_eq!(error(it.post(&[], &none).await, 400), "invalid_request");
    assert_eq!(
        error(it.post(&tried, &known).await, 400),
        "invalid_request",
        "two ways"
    );

    let send = async |path: &str, kind: &str, body: String| {
        let headers = [("content-type", kind)];
        it.client.send(Method::POST, path, &headers, body).await
    };
    let json = send("/oauth2/token", "application/json", "{}".to_owned()).await;
    assert_eq!(error(json, 400), "invalid_request");
    let query = format!("/oauth2/token?{known}");
    assert_eq!(
        error(send(&query, FORM.1, known.clone()).await, 400),
        "invalid_request"
    );
    let long = format!("{known}&x={}", "x".repeat(8 * 1024));
    send("/oauth2/token", FORM.1, long).await.expect(413);
    it.client.get("/oauth2/token").await.expect(405);
    let mut elsewhere = it.client.clone();
    elsewhere.host = "other.example".to_owned();
    elsewhere
        .send(Method::POST, "/oauth2/token", &[FORM], known)
        .await
        .expect(421);
    elsewhere.get("/oauth2/jwks").await.expect(421);
}

#[tokio::test]
async fn a_scope_narrows_a_token_and_a_reload_ends_it() {
    let it = Issuing::start().await;
    let narrow = it.token("&scope=see").await;
    it.read_with(&narrow).await.expect(200);
    let refused = it
        .client
        .with_token(&narrow)
        .at("/corp")
        .delete("/Users/1")
        .await;
    let challenge = r#"Bearer realm="scim", error="insufficient_scope""#;
    assert_eq!(refused.expect(403).headers["www-authenticate"], challenge);
    // What the account itself may not is no matter of the scope.
    let whole = it.token("").await;
    let refused = it.client.with_token(&whole).at("/corp");
    let refused = refused
        .post("/Users", &json!({"userName": "b"}))
        .await
        .expect(403);
    assert_eq!(refused.headers.get("www-authenticate"), None);

    // The next key signs, the one before still verifies.
    it.access(CLIENTS, "{file: next.pem}, {file: ours.pem}")
        .await;
    it.read_with(&whole).await.expect(200);
    let newer = it.token("").await;
    it.read_with(&newer).await.expect(200);
    it.access(CLIENTS, "{file: next.pem}").await;
    let refused = it.read_with(&whole).await.expect(401);
    let challenge = r#"Bearer realm="scim", error="invalid_token""#;
    assert_eq!(refused.headers["www-authenticate"], challenge);
    it.read_with(&newer).await.expect(200);

    it.access(
        "{id: okta-job, public_key_file: job.pem}",
        "{file: next.pem}",
    )
    .await;
    it.read_with(&newer).await.expect(401);
    assert_eq!(error(it.by_secret("").await, 401), "invalid_client");
}

#[tokio::test]
async fn keys_and_metadata_are_for_everybody() {
    let it = Issuing::start().await;
    let nobody = anonymous(&it.client);
    let said = nobody
        .get("/.well-known/oauth-authorization-server")
        .await
        .expect(200)
        .json();
    assert_eq!(said["issuer"], ISSUER);
    assert_eq!(said["token_endpoint"], format!("{ISSUER}/oauth2/token"));
    let keys = nobody.get("/oauth2/jwks").await.expect(200).json();
    let token = it.token("").await;
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    // Another party verifies it with what we say.
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    let mut wanted = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    wanted.set_audience(&[ISSUER]);
    wanted.set_issuer(&[ISSUER]);
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &wanted)
        .unwrap()
        .claims;
    assert_eq!(
        (&claims["account"], &claims["client_id"]),
        (&json!("okta"), &json!("okta-prod"))
    );
    // What the tenant says of how to come in is true.
    let config = it
        .client
        .at("/corp")
        .get("/ServiceProviderConfig")
        .await
        .expect(200)
        .json();
    let kinds = config["authenticationSchemes"].as_array().unwrap().iter();
    let kinds: Vec<_> = kinds.map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["oauthbearertoken", "oauth2"]);
    // Nothing else of the issuer is open.
    nobody.get("/oauth2").await.expect(401);
    nobody
        .send(Method::POST, "/oauth2/jwks", &[], Bytes::new())
        .await
        .expect(405);
}

fn anonymous(client: &Client) -> Client {
    let mut client = client.clone();
    client.authorization.clear();
    client
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let all = chunk
            .iter()
            .fold(0u32, |all, byte| all << 8 | u32::from(*byte));
        let all = all << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let six = (all >> (18 - 6 * at) & 63) as usize;
            out.push(if at > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[six])
            });
        }
    }
    out
}
