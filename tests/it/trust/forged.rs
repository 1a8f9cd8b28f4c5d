//! Tokens that somebody has made who must not: each is the same 401 to the client, and its true
//! reason is counted.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::super::support::issuer::{Issuer, Key, encode, seconds};
use super::super::support::scripted::{Act, Scripted, json_answer};
use super::{AUDIENCE, ISSUER, ROBOT, ask, but, by_keys, claims, client, metrics, program, told};

/// A signature by a shared secret.
fn hs256(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    );
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256);
    format!("{signed}.{}", signature.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_forged_token_gets_in_and_none_is_told_why() {
    let trap = Scripted::start([Act::Say(json_answer(200, "{}"))]).await;
    let (ours, theirs) = (Issuer::start().await, Issuer::start().await);
    let (ec, rsa, weak) = (Key::ec("e"), Key::rsa("r"), Key::ec("same"));
    let (other, twin) = (Key::ec("o"), Key::ec("same"));
    ours.publish(&[&ec, &rsa, &weak]);
    theirs.publish(&[&other, &twin]);
    let second = "https://id.example.net";
    let trust = format!(
        "{}  - {{name: second, issuer: \"{second}\", audience: [\"{AUDIENCE}\"], jwks: {{url: \"{}\"}}}}\n",
        by_keys(&ours),
        theirs.url("/keys")
    );
    let lines = "claims: [{trust: corp, sub: robot-1}, {trust: second, sub: robot-1}]";
    let (_directory, program) = program(&trust, lines).await;
    let serving = program.serve("/corp");
    ask(&serving, &ec.token(&claims())).await.expect(200);
    ask(&serving, &other.token(&but(&json!({"iss": second}))))
        .await
        .expect(200);

    let text = claims().to_string();
    let header = ec.header().to_string();
    let good = ec.token(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let with = |changes: serde_json::Value| ec.token(&but(&changes));
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        ec.token(&claims)
    };
    let head = |changes: &serde_json::Value| {
        let mut header = ec.header();
        for (name, value) in changes.as_object().unwrap() {
            header[name] = value.clone();
        }
        ec.sign(&header.to_string(), &text)
    };
    let trap_url = trap.url();
    let public = rsa.jwk["n"].as_str().unwrap();
    let forged: Vec<(&str, &str, String)> = vec![
        (
            "none",
            "forged",
            format!("{}.{}.", encode(br#"{"alg":"none"}"#), parts[1]),
        ),
        (
            "none, signed",
            "forged",
            format!("{}.{}.{}", encode(br#"{"alg":"none"}"#), parts[1], parts[2]),
        ),
        (
            "None",
            "forged",
            ec.sign(r#"{"alg":"None","kid":"e"}"#, &text),
        ),
        (
            "public key as secret",
            "forged",
            hs256(r#"{"alg":"HS256","kid":"r"}"#, &text, public.as_bytes()),
        ),
        (
            "public set as secret",
            "forged",
            hs256(
                r#"{"alg":"HS256","kid":"e"}"#,
                &text,
                ec.jwk.to_string().as_bytes(),
            ),
        ),
        (
            "empty secret",
            "forged",
            hs256(r#"{"alg":"HS256"}"#, &text, b""),
        ),
        (
            "another family",
            "forged",
            ec.sign(r#"{"alg":"RS256","kid":"e"}"#, &text),
        ),
        (
            "PSS named, PKCS1 made",
            "forged",
            rsa.sign(r#"{"alg":"PS256","kid":"r"}"#, &text),
        ),
        (
            "another curve",
            "forged",
            ec.sign(r#"{"alg":"ES384","kid":"e"}"#, &text),
        ),
        (
            "the key of another trust by its name",
            "key",
            other.token(&claims()),
        ),
        (
            "a key of another trust under our name",
            "forged",
            twin.token(&claims()),
        ),
        (
            "our key for the other issuer",
            "key",
            with(json!({"iss": second})),
        ),
        (
            "our key of the same name for the other issuer",
            "forged",
            weak.token(&but(&json!({"iss": second}))),
        ),
        (
            "no name, several fit",
            "forged",
            ec.sign(r#"{"alg":"ES256"}"#, &text),
        ),
        (
            "embedded key",
            "forged",
            other.sign(
                &json!({"alg": "ES256", "kid": "e", "jwk": other.jwk}).to_string(),
                &text,
            ),
        ),
        (
            "embedded key, unknown name",
            "key",
            other.sign(
                &json!({"alg": "ES256", "kid": "z", "jwk": other.jwk}).to_string(),
                &text,
            ),
        ),
        (
            "jku",
            "key",
            other.sign(
                &json!({"alg": "ES256", "kid": "z", "jku": trap_url}).to_string(),
                &text,
            ),
        ),
        (
            "x5u",
            "key",
            other.sign(
                &json!({"alg": "ES256", "kid": "z", "x5u": trap_url}).to_string(),
                &text,
            ),
        ),
        (
            "x5c",
            "forged",
            other.sign(
                &json!({"alg": "ES256", "kid": "e", "x5c": ["AAAA"]}).to_string(),
                &text,
            ),
        ),
        ("crit", "forged", head(&json!({"crit": ["exp"]}))),
        (
            "b64",
            "forged",
            head(&json!({"crit": ["b64"], "b64": false})),
        ),
        ("kid a number", "forged", head(&json!({"kid": 1}))),
        (
            "kid a path",
            "key",
            head(&json!({"kid": "../../etc/passwd"})),
        ),
        ("kid with SQL", "key", head(&json!({"kid": "e' or '1'='1"}))),
        ("another typ", "claims", head(&json!({"typ": "logout+jwt"}))),
        ("exp missing", "claims", without("exp")),
        (
            "exp a text",
            "claims",
            with(json!({"exp": seconds(300).to_string()})),
        ),
        ("exp huge", "claims", with(json!({"exp": u64::MAX}))),
        (
            "exp beyond numbers",
            "claims",
            ec.sign(&header, &text.replace("\"exp\":", "\"exp\":1e999,\"x\":")),
        ),
        ("exp negative", "claims", with(json!({"exp": -1}))),
        ("expired", "expired", with(json!({"exp": seconds(-60)}))),
        ("not yet", "not_yet", with(json!({"nbf": seconds(120)}))),
        (
            "from the future",
            "not_yet",
            with(json!({"iat": seconds(120)})),
        ),
        ("aud missing", "audience", without("aud")),
        (
            "aud of others",
            "audience",
            with(json!({"aud": ["a", "b"]})),
        ),
        (
            "aud not texts",
            "audience",
            with(json!({"aud": [AUDIENCE, 1]})),
        ),
        (
            "aud longer",
            "audience",
            with(json!({"aud": format!("{AUDIENCE}/")})),
        ),
        (
            "iss with a slash",
            "issuer",
            with(json!({"iss": format!("{ISSUER}/")})),
        ),
        (
            "iss in capitals",
            "issuer",
            with(json!({"iss": ISSUER.to_uppercase()})),
        ),
        ("iss a list", "issuer", with(json!({"iss": [ISSUER]}))),
        ("iss missing", "issuer", without("iss")),
        (
            "bound to a key",
            "claims",
            with(json!({"cnf": {"jkt": "x"}})),
        ),
        (
            "sub twice",
            "forged",
            ec.sign(&header, &text.replace("\"sub\":", "\"sub\":\"x\",\"sub\":")),
        ),
        (
            "sub twice in disguise",
            "forged",
            ec.sign(
                &header,
                &text.replace("\"sub\":", "\"s\\u0075b\":\"x\",\"sub\":"),
            ),
        ),
        ("sub a list", "account", with(json!({"sub": ["robot-1"]}))),
        (
            "sub with space",
            "account",
            with(json!({"sub": "robot-1 "})),
        ),
        ("claims a list", "forged", ec.sign(&header, "[]")),
        (
            "no signature",
            "forged",
            format!("{}.{}.", parts[0], parts[1]),
        ),
        ("signature cut", "forged", good[..good.len() - 4].to_owned()),
        (
            "signature of zeros",
            "forged",
            format!("{}.{}.{}", parts[0], parts[1], encode(&[0; 64])),
        ),
        (
            "other claims",
            "forged",
            format!(
                "{}.{}.{}",
                parts[0],
                encode(but(&json!({"x": 1})).to_string().as_bytes()),
                parts[2]
            ),
        ),
        ("padded", "forged", format!("{good}=")),
        (
            "padded inside",
            "malformed",
            format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        ),
        (
            "garbage in three parts",
            "unknown",
            "abc.def.ghi".to_owned(),
        ),
        ("five parts", "unknown", format!("{good}.a.b")),
        ("two parts", "unknown", format!("{}.{}", parts[0], parts[1])),
        ("9 KiB", "unknown", with(json!({"x": "x".repeat(6900)}))),
    ];
    let mut wanted: BTreeMap<&str, f64> = BTreeMap::new();
    let mut first = None;
    for (what, reason, token) in &forged {
        let answer = ask(&serving, token).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let challenge = answer.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .to_owned();
        *wanted.entry(reason).or_default() += 1.0;
        if *reason == "malformed" {
            continue;
        }
        assert!(
            challenge.contains("error=\"invalid_token\""),
            "{what}: {challenge}"
        );
        let said = told(&answer);
        assert_eq!(*first.get_or_insert(said.clone()), said, "{what}");
    }
    let page = metrics(&serving).await;
    for (reason, times) in &wanted {
        let name = "postern_authentication_failures_total";
        assert_eq!(
            page.get(name, &[("reason", reason)]),
            Some(*times),
            "{reason}"
        );
    }
    assert_eq!(trap.connections(), 0, "nobody follows what a token says");
    // A good one is still good, also after all of this.
    ask(&serving, &good).await.expect(200);
    let spaced = client(&serving, &format!("Bearer {} {}", parts[0], parts[1]));
    spaced.get("/Users/1").await.expect(401);
    let twice = client(&serving, &format!("Bearer {good}"));
    let headers = [("authorization", &*twice.authorization)];
    twice
        .send(http::Method::GET, "/Users/1", &headers, "")
        .await
        .expect(400);
    let query = client(&serving, "");
    query
        .get(&format!("/Users/1?access_token={good}"))
        .await
        .expect(401);
    let lines = serving.access();
    assert!(
        !format!("{lines:?}").contains(parts[2]),
        "no token in the log"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_set_must_not_hold_is_not_in_it() {
    let issuer = Issuer::start().await;
    let key = Key::ec("good");
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA";
    let encryption = {
        let mut key = Key::ec("enc").jwk;
        key["use"] = "enc".into();
        key
    };
    let set = json!({"keys": [
        {"kty": "oct", "kid": "shared", "k": secret, "alg": "HS256"},
        {"kty": "RSA", "kid": "short", "n": encode(&[0xc1; 128]), "e": "AQAB"},
        {"kty": "XYZ", "kid": "odd"}, {"kty": "EC", "crv": "P-521", "kid": "large", "x": "AA", "y": "AA"},
        7, null, {}, encryption, key.jwk,
    ]});
    issuer.say("/keys", 200, &[], &set.to_string());
    let (_directory, program) = program(&by_keys(&issuer), ROBOT).await;
    let serving = program.serve("/corp");
    ask(&serving, &key.token(&claims())).await.expect(200);
    let forged = hs256(
        r#"{"alg":"HS256","kid":"shared"}"#,
        &claims().to_string(),
        b"secret-secret-secret-secret-secret",
    );
    ask(&serving, &forged).await.expect(401);
    let state = &super::status(&program, &serving)["trust"][0];
    assert_eq!(state["keys"], json!(["good"]));
    assert_eq!(state["keys_left_out"], 8);
}
