//! What authentication costs, and what its time tells: 10,000 accounts with 30,000 secret tokens.
//! `cargo bench --profile dist --bench authentication`: with the optimisations of what is shipped, for
//! what is called here lies in several crates.
//!
//! The gate is 250 ns for a hash and a lookup, without allocation, however many tokens there are.
//! Whether the time of a wrong token tells how wrong it is, is looked at in rounds in turn: the
//! median of each kind of wrong is put beside what the medians of two halves of the same kind
//! differ by, which is noise. What must not tell is how much of the secret is right; form and length
//! the sender knows, and a key id is no secret (it stands in logs), so that these are only shown.
//!
//! Beside them, for comparison: a token of our own (one ES256 signature each time) and one of
//! somebody else that was found good a moment ago.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::allow_attributes,
    unsafe_code,
    unreachable_pub,
    reason = "a bench that cannot go on stops, reads the clock, and counts allocations, for which \
              the language has only an unsafe trait"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use postern::auth::issue::{Proof, Replays};
use postern::auth::token::TokenHash;
use postern::auth::{Authenticator, Presented, access};
use postern::yaml::Source;
use rcgen::KeyPair;
use serde_json::json;

mod counting;

fn main() {
    println!(
        "{:<28}{:>10}{:>10}{:>14}",
        "tokens", "ns, median", "ns, least", "allocations"
    );
    for accounts in [4, 400, 4_000, ACCOUNTS] {
        let found = authenticator(accounts);
        let tokens = accounts * EACH;
        let headers: Vec<HeaderMap> = (0..tokens)
            .step_by((tokens / 1_000).max(1))
            .map(|number| bearer(&token(number)))
            .collect();
        let (mut times, mut allocations) = (Vec::with_capacity(ROUNDS), 0);
        for _ in 0..ROUNDS {
            let before = counting::allocations();
            let began = Instant::now();
            for _ in 0..BATCH / headers.len().min(BATCH) {
                for headers in &headers {
                    assert!(known(&found, headers));
                }
            }
            let asked = BATCH / headers.len().min(BATCH) * headers.len();
            times.push(began.elapsed().as_nanos() as f64 / asked as f64);
            allocations += counting::allocations() - before;
        }
        times.sort_by(f64::total_cmp);
        let (median, least) = (times[times.len() / 2], times[0]);
        println!("{tokens:<28}{median:>10.0}{least:>10.0}{allocations:>14}");
        if accounts == ACCOUNTS {
            let verdict = |good: bool| if good { "reached" } else { "MISSED" };
            println!("\ngate 250 ns: {}", verdict(median <= 250.0));
            println!("ambition 120 ns: {}", verdict(median <= 120.0));
            println!("no allocation: {}\n", verdict(allocations == 0));
            what_time_tells(&found);
        }
    }
    signed();
}

/// What tokens cost that are signed.
fn signed() {
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let private = EncodingKey::from_ec_der(&theirs.serialize_der());
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap());
    jwk.as_mut().unwrap()["kid"] = "k".into();
    let mut files = access::Files::default();
    let mut file = |name: &str, text: String| {
        files.insert(name, Ok(Arc::new(text.into_bytes().into())));
    };
    file("ours.pem", ours.serialize_pem());
    file("theirs.json", json!({"keys": [jwk.unwrap()]}).to_string());
    let text = format!(
        "roles: {{all: {{allow: [{{resources: \"*\", verbs: [read]}}]}}}}
accounts:
  - name: a
    roles: [all]
    tenants: \"*\"
    clients: [{{id: app, secret_sha256: {}}}]
    claims: [{{trust: them, sub: robot}}]
issue: {{issuer: \"https://scim.example.com\", keys: [{{file: ours.pem}}]}}
trust:
  - {{name: them, issuer: \"https://id.example.com\", audience: [us], jwks: {{file: theirs.json}}}}
",
        TokenHash::of("secret")
    );
    let found = access::load(&Source::new("access.yaml", text), &files)
        .unwrap_or_else(|found| panic!("{}", found.render(false)));
    let now = SystemTime::now();
    let proof = Proof::Secret {
        id: "app",
        secret: "secret",
    };
    let replays = Replays::default();
    let known = found.client(proof, HERE, &replays, now).unwrap().unwrap();
    let own = known.issue(None, now, &mut |_| true).unwrap();
    let seconds = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = json!({"iss": "https://id.example.com", "aud": "us", "sub": "robot",
        "iat": seconds, "exp": seconds + 600});
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k".to_owned());
    let other = jsonwebtoken::encode(&header, &claims, &private).unwrap();
    println!(
        "\n{:<28}{:>10}{:>14}",
        "a signed token", "ns, median", "allocations"
    );
    for (what, token) in [
        ("own, ES256", own.token.expose()),
        ("another's, remembered", &other),
    ] {
        let headers = bearer(token);
        let presented = Presented::new(&headers, HERE);
        let good = || found.authenticate(black_box(&presented), now).is_ok();
        assert!(good());
        let mut times = Vec::with_capacity(SIGNED);
        let before = counting::allocations();
        for _ in 0..SIGNED {
            let began = Instant::now();
            assert!(good());
            times.push(began.elapsed().as_nanos() as f64);
        }
        let each = (counting::allocations() - before) / SIGNED as u64;
        println!("{what:<28}{:>10.0}{each:>14}", median(&times));
    }
}

/// Whether the time of a wrong token tells how wrong it is.
fn what_time_tells(found: &Authenticator) {
    let good = token(4_711);
    let (secret, end) = (good.rfind('_').unwrap() + 1, good.len() - 1);
    let with = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        String::from_utf8(bytes).unwrap()
    };
    let kinds: [(&str, String); 6] = [
        ("unknown key id", good.replace("_k04711_", "_k99999_")),
        ("no key id at all", good.replace("_k04711_", "_K04711_")),
        ("first byte wrong", with(secret)),
        ("last byte wrong", with(end)),
        ("shorter by one", good[..end].to_owned()),
        ("longer by one", format!("{good}x")),
    ];
    let headers = kinds.each_ref().map(|(_, token)| bearer(token));
    let mut samples: [Vec<f64>; 6] = Default::default();
    for round in 0..WRONG_ROUNDS {
        // Another order each time: who comes after whom must not matter.
        for turn in 0..headers.len() {
            let kind = (turn * (1 + 4 * (round % 2)) + round) % headers.len();
            let began = Instant::now();
            for _ in 0..WRONG_BATCH {
                assert!(!known(found, &headers[kind]));
            }
            let took = began.elapsed().as_nanos() as f64 / WRONG_BATCH as f64;
            samples[kind].push(took);
        }
    }
    let reference = median(&samples[0]);
    // What two halves of one kind differ by is noise.
    let noise = samples.iter().map(|of_kind| {
        let half = |odd: usize| {
            let picked = of_kind.iter().skip(odd).step_by(2);
            median(&picked.copied().collect::<Vec<_>>())
        };
        (half(0) - half(1)).abs()
    });
    let noise = noise.fold(0.0, f64::max);
    println!(
        "{:<28}{:>10}{:>14}",
        "a wrong token", "ns, median", "difference"
    );
    for ((what, _), of_kind) in kinds.iter().zip(&samples) {
        let middle = median(of_kind);
        println!("{what:<28}{middle:>10.1}{:>14.1}", middle - reference);
    }
    // Over a network a few nanoseconds are nothing; here they are seen.
    let (first, last) = (median(&samples[2]), median(&samples[3]));
    let apart = (first - last).abs() > (3.0 * noise).max(LEAST);
    println!(
        "\nnoise {noise:.1} ns; the time {} how much of a secret is right",
        if apart { "TELLS" } else { "does not tell" }
    );
}

fn known(found: &Authenticator, headers: &HeaderMap) -> bool {
    let presented = Presented::new(black_box(headers), HERE);
    found
        .authenticate(&presented, SystemTime::UNIX_EPOCH)
        .is_ok()
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(AUTHORIZATION, value);
    headers
}

/// As `postern token new` makes them: the key id, 43 characters, six of a checksum.
fn token(number: usize) -> String {
    let mut state = number as u64 + 1;
    let mut secret = String::with_capacity(49);
    for _ in 0..49 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        secret.push(char::from(b'a' + u8::try_from(state % 26).unwrap()));
    }
    format!("postern_k{number:05}_{secret}")
}

fn authenticator(accounts: usize) -> Authenticator {
    let mut text =
        String::from("roles: {all: {allow: [{resources: \"*\", verbs: [read]}]}}\naccounts:\n");
    for account in 0..accounts {
        let _ = write!(
            text,
            "  - {{name: a{account}, roles: [all], tenants: \"*\", tokens: ["
        );
        for number in account * EACH..(account + 1) * EACH {
            let hash = TokenHash::of(&token(number));
            let _ = write!(text, "{{id: k{number:05}, sha256: \"{hash}\"}}, ");
        }
        text.push_str("]}\n");
    }
    access::load(&Source::new("access.yaml", text), &access::Files::default())
        .unwrap_or_else(|found| panic!("{}", found.render(false)))
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ACCOUNTS: usize = 10_000;
/// Tokens of an account.
const EACH: usize = 3;
const ROUNDS: usize = 41;
const BATCH: usize = 20_000;
const SIGNED: usize = 5_000;
const WRONG_ROUNDS: usize = 2_000;
const WRONG_BATCH: usize = 50;
/// Less than this in nanoseconds is no difference, however quiet it is.
const LEAST: f64 = 3.0;
