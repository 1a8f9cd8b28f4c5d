//! Tokens made and judged: those of clients that show who they are, and all kinds of forged ones.

mod assertions;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use zeroize::Zeroizing;

use super::super::access::{Files, load};
use super::super::instant;
use super::super::token::TokenHash;
use super::super::token::tests::counting;
use super::*;
use crate::auth::{Authenticator, TenantName};
use crate::scim::operation::{Operation, Verb};
use crate::yaml::Source;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const ISSUER: &str = "https://scim.example.com";
const NOW: &str = "2026-11-24T12:00:00Z";
const SECRET: &str = "postern_client_abc";

/// Keys of one configuration: they outlive what is loaded of it.
struct World {
    ours: KeyPair,
    older: KeyPair,
    job: KeyPair,
}

impl World {
    fn new() -> Self {
        let pair = |of| KeyPair::generate_for(of).unwrap();
        Self {
            ours: pair(&PKCS_ECDSA_P256_SHA256),
            older: pair(&PKCS_ED25519),
            job: pair(&PKCS_ECDSA_P256_SHA256),
        }
    }

    fn files(&self) -> Files {
        let mut files = Files::default();
        for (name, text) in [
            ("ours.pem", self.ours.serialize_pem()),
            ("older.pem", self.older.serialize_pem()),
            ("older-public.pem", self.older.public_key_pem()),
            ("job.pem", self.job.public_key_pem()),
        ] {
            files.insert(name, Ok(Arc::new(Zeroizing::new(text.into_bytes()))));
        }
        files
    }

    fn load(&self, keys: &str, accounts: &str) -> Authenticator {
        let text = format!(
            "roles:
  see: {{allow: [{{resources: [User], verbs: [read]}}]}}
  feed: {{allow: [{{resources: [User], verbs: [create]}}]}}
accounts:
{accounts}
issue: {{issuer: \"{ISSUER}\", keys: [{keys}]}}
"
        );
        load(&Source::new("access.yaml", text), &self.files())
            .unwrap_or_else(|found| panic!("{}", found.render(false)))
    }

    fn usual(&self) -> Authenticator {
        self.load(BOTH_KEYS, &accounts("[see, feed]", SECRET))
    }
}

const BOTH_KEYS: &str = "{file: ours.pem, id: now}, {file: older-public.pem, id: then}";

fn accounts(roles: &str, secret: &str) -> String {
    format!(
        "  - name: okta
    roles: {roles}
    tenants: [corp, lab]
    clients:
      - {{id: okta-prod, secret_sha256: {}, not_before: 2026-11-01, expires: 2026-12-01}}
      - {{id: okta-job, public_key_file: job.pem}}",
        TokenHash::of(secret)
    )
}

fn at(time: &str) -> SystemTime {
    instant::parse(time).unwrap()
}

fn known<'a>(auth: &'a Authenticator, secret: &str, now: &str) -> Result<Known<'a>, Refused> {
    let proof = Proof::Secret {
        id: "okta-prod",
        secret,
    };
    let replays = Replays::default();
    auth.client(proof, HERE, &replays, at(now)).unwrap()
}

fn token(auth: &Authenticator, scope: Option<&str>) -> String {
    let known = known(auth, SECRET, NOW).unwrap_or_else(|why| panic!("{why:?}"));
    let issued = known.issue(scope, at(NOW), &mut counting(1)).unwrap();
    issued.token.expose().to_owned()
}

fn ask(auth: &Authenticator, token: &str, now: &str) -> Result<Caller, AuthError> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(AUTHORIZATION, value);
    let proven = auth.authenticate(&Presented::new(&headers, HERE), at(now));
    proven.map(|proven| proven.now().unwrap())
}

fn may(caller: &Caller, tenant: &str) -> Result<(), AuthError> {
    let id = "1".parse().unwrap();
    let read = Operation::new("User".parse().unwrap(), Verb::Read(id));
    caller
        .authorize(&TenantName::from(tenant), read)
        .map(|_| ())
}

#[test]
fn a_client_gets_a_token_that_is_its_account_for_a_while() {
    let auth = World::new().usual();
    let known = known(&auth, SECRET, NOW).unwrap_or_else(|why| panic!("{why:?}"));
    let issued = known.issue(None, at(NOW), &mut counting(1)).unwrap();
    assert_eq!(issued.scope, "see feed");
    assert_eq!(issued.lifetime, Duration::from_secs(600));
    let token = issued.token.expose();
    let caller = ask(&auth, token, NOW).unwrap();
    assert_eq!((&**caller.account(), &*caller.key), ("okta", "okta-prod"));
    assert!(caller.narrowed.is_none());
    assert_eq!(auth.last_use_of_client("okta-prod"), Some(at(NOW)));

    let parts = Compact::read(token).unwrap();
    let begin = at(NOW).duration_since(UNIX_EPOCH).unwrap().as_secs();
    let wanted = json!({
        "iss": ISSUER, "sub": "okta-prod", "aud": ISSUER, "client_id": "okta-prod",
        "account": "okta", "scope": "see feed", "iat": begin, "nbf": begin, "exp": begin + 600,
        "jti": parts.claims["jti"],
    });
    assert_eq!(Value::from(parts.claims), wanted);

    for (time, outcome) in [
        ("2026-11-24T12:10:29Z", Ok(())),
        ("2026-11-24T12:10:30Z", Err(Rejection::Expired)),
        ("2026-11-24T11:59:30Z", Ok(())),
        ("2026-11-24T11:59:29Z", Err(Rejection::NotYet)),
    ] {
        let outcome = outcome.map_err(AuthError::Rejected);
        assert_eq!(ask(&auth, token, time).map(|_| ()), outcome, "{time}");
    }
}

#[test]
fn a_secret_is_right_and_alive_or_nothing() {
    let auth = World::new().usual();
    let why = |secret: &str, now: &str| known(&auth, secret, now).err();
    let rejected = |why| Some(Refused::Client(AuthError::Rejected(why)));
    assert_eq!(why(SECRET, NOW), None);
    assert_eq!(why("postern_client_abd", NOW), rejected(Rejection::Unknown));
    assert_eq!(why("", NOW), rejected(Rejection::Unknown));
    assert_eq!(why(SECRET, "2026-12-01"), rejected(Rejection::Expired));
    assert_eq!(why(SECRET, "2026-10-31"), rejected(Rejection::NotYet));
    assert_eq!(why("x", "2026-12-01"), rejected(Rejection::Unknown));
    let replays = Replays::default();
    for id in ["okta-job", "nobody", "okta", ""] {
        let proof = Proof::Secret { id, secret: SECRET };
        let outcome = auth.client(proof, HERE, &replays, at(NOW)).unwrap();
        assert_eq!(outcome.err(), rejected(Rejection::Unknown), "{id}");
    }
}

/// A token of these claims and this header, signed by a key.
fn forge(by: &KeyPair, header: &Value, claims: &Value) -> String {
    let key = SigningKey::of_pem(by.serialize_pem().as_bytes(), None).unwrap();
    let part = |value: &Value| encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    format!("{signed}.{}", key.signature(signed.as_bytes()).unwrap())
}

fn claims_of(token: &str) -> Value {
    Value::from(Compact::read(token).unwrap().claims)
}

fn with(value: &Value, name: &str, other: Value) -> Value {
    let mut value = value.clone();
    value
        .as_object_mut()
        .unwrap()
        .insert(name.to_owned(), other);
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(name);
    value
}

#[test]
fn forged_tokens_are_nobody_s() {
    use Rejection::*;
    let world = World::new();
    let auth = world.usual();
    let good = token(&auth, None);
    let claims = claims_of(&good);
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "now"});
    let ours = |header: &Value, claims: &Value| forge(&world.ours, header, claims);
    // What is changed below is all that keeps it from being one.
    assert!(ask(&auth, &ours(&header, &claims), NOW).is_ok());

    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let other = World::new();
    let hs256 = {
        // The public key as the secret of a symmetric algorithm.
        let header = encode(br#"{"alg":"HS256","typ":"at+jwt","kid":"now"}"#);
        let signed = format!("{header}.{body}");
        let key = jsonwebtoken::EncodingKey::from_secret(world.ours.public_key_pem().as_bytes());
        let algorithm = jsonwebtoken::Algorithm::HS256;
        let sign = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, algorithm).unwrap();
        format!("{signed}.{sign}")
    };
    let more = encode(
        with(&claims, "scope", "see feed admin".into())
            .to_string()
            .as_bytes(),
    );
    let twice = {
        let text = claims
            .to_string()
            .replacen('{', r#"{"account":"other","#, 1);
        let signed = format!("{head}.{}", encode(text.as_bytes()));
        let key = SigningKey::of_pem(world.ours.serialize_pem().as_bytes(), None).unwrap();
        format!("{signed}.{}", key.signature(signed.as_bytes()).unwrap())
    };
    let none = encode(br#"{"alg":"none","typ":"at+jwt","kid":"now"}"#);
    for (what, token, why) in [
        ("no signature", format!("{head}.{body}."), Unknown),
        ("none", format!("{none}.{body}.{signature}"), Forged),
        (
            "none without a signature",
            format!("{none}.{body}."),
            Unknown,
        ),
        ("the public key as a secret", hs256, Forged),
        (
            "another payload",
            format!("{head}.{more}.{signature}"),
            Forged,
        ),
        ("another key", forge(&other.ours, &header, &claims), Forged),
        (
            "another kind of key",
            forge(&world.older, &header, &claims),
            Forged,
        ),
        (
            "another algorithm than the key's",
            ours(&with(&header, "alg", "EdDSA".into()), &claims),
            Key,
        ),
        (
            "the other key's name",
            ours(&with(&header, "kid", "then".into()), &claims),
            Key,
        ),
        (
            "no such name",
            ours(&with(&header, "kid", "x".into()), &claims),
            Key,
        ),
        ("no name", ours(&without(&header, "kid"), &claims), Key),
        (
            "crit",
            ours(&with(&header, "crit", json!(["exp"])), &claims),
            Unknown,
        ),
        (
            "another type",
            ours(&with(&header, "typ", "JWT".into()), &claims),
            Claims,
        ),
        ("no type", ours(&without(&header, "typ"), &claims), Claims),
        ("twice the account", twice, Unknown),
        (
            "another issuer",
            ours(&header, &with(&claims, "iss", "https://x".into())),
            Unknown,
        ),
        (
            "another audience",
            ours(&header, &with(&claims, "aud", "x".into())),
            Audience,
        ),
        (
            "no audience",
            ours(&header, &without(&claims, "aud")),
            Audience,
        ),
        ("no end", ours(&header, &without(&claims, "exp")), Claims),
        (
            "an end in words",
            ours(&header, &with(&claims, "exp", "soon".into())),
            Claims,
        ),
        (
            "long over",
            ours(&header, &with(&claims, "exp", 1.into())),
            Expired,
        ),
        (
            "of tomorrow",
            ours(&header, &with(&claims, "nbf", 2_000_000_000.into())),
            NotYet,
        ),
        (
            "no account",
            ours(&header, &without(&claims, "account")),
            Claims,
        ),
        (
            "another account",
            ours(&header, &with(&claims, "account", "x".into())),
            NoAccount,
        ),
        (
            "another client",
            ours(&header, &with(&claims, "client_id", "x".into())),
            NoAccount,
        ),
        (
            "no scope",
            ours(&header, &without(&claims, "scope")),
            Claims,
        ),
        (
            "huge",
            ours(&header, &with(&claims, "x", "x".repeat(8_192).into())),
            Unknown,
        ),
        ("spare bits", format!("{head}.{body}.{signature}="), Unknown),
    ] {
        let outcome = ask(&auth, &token, NOW).map(|_| ());
        assert_eq!(outcome, Err(AuthError::Rejected(why)), "{what}");
    }
    // Keys that the token itself brings are nothing.
    let jwk = SigningKey::of_pem(other.ours.serialize_pem().as_bytes(), Some("now")).unwrap();
    let header = with(&header, "jwk", jwk.public().jwk());
    let header = with(&header, "jku", "https://evil.example/keys".into());
    let brought = forge(&other.ours, &header, &claims);
    assert_eq!(
        ask(&auth, &brought, NOW).unwrap_err(),
        AuthError::Rejected(Forged)
    );
}

#[test]
fn what_is_taken_out_of_the_file_ends_its_tokens_at_once() {
    let world = World::new();
    let auth = world.usual();
    let whole = token(&auth, None);
    let secret_only = accounts("[see]", SECRET);
    let job_only: Vec<&str> = secret_only
        .lines()
        .filter(|l| !l.contains("okta-prod"))
        .collect();
    let no = |why| Err(AuthError::Rejected(why));
    let outcome = |keys: &str, accounts: &str| {
        let auth = world.load(keys, accounts);
        ask(&auth, &whole, NOW).map(|caller| may(&caller, "corp").is_ok())
    };
    assert_eq!(outcome(BOTH_KEYS, &accounts("[see]", SECRET)), Ok(true));
    // Another secret, the same client.
    assert_eq!(outcome(BOTH_KEYS, &accounts("[see]", "other")), Ok(true));
    assert_eq!(outcome(BOTH_KEYS, &accounts("[feed]", SECRET)), Ok(false));
    assert_eq!(outcome(BOTH_KEYS, &accounts("[]", SECRET)), Ok(false));
    assert_eq!(
        outcome(BOTH_KEYS, &job_only.join("\n")),
        no(Rejection::NoAccount)
    );
    let renamed = accounts("[see]", SECRET).replace("name: okta", "name: ping");
    assert_eq!(outcome(BOTH_KEYS, &renamed), no(Rejection::NoAccount));
    let ended = accounts("[see]", SECRET).replace("2026-12-01", "2026-11-24T11:00:00Z");
    assert_eq!(outcome(BOTH_KEYS, &ended), no(Rejection::NoAccount));
    assert_eq!(
        outcome("{file: older.pem}", &accounts("[see]", SECRET)),
        no(Rejection::Key)
    );
}

#[test]
fn replicas_share_keys_and_a_key_is_rotated_without_a_break() {
    let world = World::new();
    let users = accounts("[see]", SECRET);
    let first = world.load("{file: older.pem}", &users);
    let replica = world.load("{file: older.pem}", &users);
    let old = token(&first, None);
    assert!(ask(&replica, &old, NOW).is_ok());
    // The name of a key is its thumbprint, whichever half of it is there.
    let next = world.load("{file: ours.pem}, {file: older-public.pem}", &users);
    let new = token(&next, None);
    assert!(ask(&next, &old, NOW).is_ok() && ask(&next, &new, NOW).is_ok());
    let kid = |token: &str| Compact::read(token).unwrap().header.key;
    assert_ne!(kid(&old), kid(&new));
    let names = |auth: &Authenticator| {
        let set = auth.issuer().unwrap().jwks();
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&next), [kid(&new), kid(&old)]);
    assert!(!next.issuer().unwrap().jwks().to_string().contains("\"d\""));
    assert_eq!(
        ask(&first, &new, NOW).unwrap_err(),
        AuthError::Rejected(Rejection::Key)
    );
}

#[test]
fn a_token_for_less_may_less() {
    let auth = World::new().usual();
    let caller = |scope| ask(&auth, &token(&auth, Some(scope)), NOW).unwrap();
    let narrow = Err(AuthError::Narrow {
        account: "okta".into(),
    });
    assert_eq!(may(&caller("see"), "corp"), Ok(()));
    assert_eq!(may(&caller("feed"), "corp"), narrow);
    assert_eq!(may(&caller("see tenant:lab"), "lab"), Ok(()));
    assert_eq!(may(&caller("see tenant:lab"), "corp"), narrow);
    // What the account itself may not is no matter of the token.
    let other = may(&caller("see tenant:lab"), "elsewhere");
    assert!(matches!(other, Err(AuthError::Tenant { .. })), "{other:?}");
    let known = known(&auth, SECRET, NOW).unwrap_or_else(|why| panic!("{why:?}"));
    let outcome = known.issue(Some("admin"), at(NOW), &mut counting(1));
    assert_eq!(outcome.err(), Some(NoToken::Scope));
    let outcome = known.issue(None, at(NOW), &mut |_| false);
    assert_eq!(outcome.err(), Some(NoToken::Randomness));
}

#[test]
fn networks_hold_for_the_endpoint_and_for_the_token() {
    let world = World::new();
    let users =
        accounts("[see]", SECRET).replace("tenants:", "networks: [127.0.0.0/8]\n    tenants:");
    let auth = world.load("{file: ours.pem}", &users);
    let issued = token(&auth, None);
    assert!(ask(&auth, &issued, NOW).is_ok());
    let users = users.replace("127.0.0.0/8", "10.0.0.0/8");
    let auth = world.load("{file: ours.pem}", &users);
    let elsewhere = AuthError::Elsewhere {
        account: "okta".into(),
        key: "okta-prod".into(),
    };
    assert_eq!(ask(&auth, &issued, NOW).unwrap_err(), elsewhere);
    let outcome = known(&auth, SECRET, NOW).err();
    assert_eq!(outcome, Some(Refused::Client(elsewhere)));
}

#[test]
fn the_places_and_what_they_say() {
    let auth = World::new().usual();
    let issuer = auth.issuer().unwrap();
    assert_eq!(issuer.host(), "scim.example.com");
    let metadata = "/.well-known/oauth-authorization-server";
    assert_eq!(issuer.door("/oauth2/token"), Some(Door::Token));
    assert_eq!(issuer.door("/oauth2/jwks"), Some(Door::Keys));
    assert_eq!(issuer.door(metadata), Some(Door::Metadata));
    for other in [
        "/oauth2",
        "/x/oauth2/token",
        &format!("{metadata}/x"),
        "/oauth2/tokens",
    ] {
        assert_eq!(issuer.door(other), None, "{other}");
    }
    let said = issuer.metadata();
    assert_eq!(said["token_endpoint"], format!("{ISSUER}/oauth2/token"));
    assert_eq!(said["jwks_uri"], format!("{ISSUER}/oauth2/jwks"));
    let world = World::new();
    let text = format!(
        "roles: {{}}\naccounts: []\nissue: {{issuer: \"{ISSUER}/a/b\", keys: [{{file: ours.pem}}]}}\n"
    );
    let auth = load(&Source::new("access.yaml", text), &world.files()).unwrap();
    let issuer = auth.issuer().unwrap();
    assert_eq!(issuer.door("/a/b/oauth2/token"), Some(Door::Token));
    assert_eq!(
        issuer.door(&format!("{metadata}/a/b")),
        Some(Door::Metadata)
    );
    assert_eq!(issuer.door(metadata), None);
}
