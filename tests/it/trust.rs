//! Access tokens of others, by the real program: whose they are, which are refused, and what
//! becomes of them when nobody can be asked.

mod asked;
mod forged;
mod keys;

use serde_json::{Value, json};

use super::support::client::plain_get;
use super::support::exposition::Page;
use super::support::issuer::{Issuer, Key, seconds};
use super::support::program::Serving;
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::world::{ADMIN, access, rule};
use super::support::{Answer, Client, Program};

const USER: &str =
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"a"}"#;

/// The issuer of the tests, to the letter.
const ISSUER: &str = "https://id.example.com/realms/corp";
/// The audience that the tests want.
const AUDIENCE: &str = "https://scim.example.com/corp";

/// A program with the account `robot`, of which these lines are told (`claims` among them), and
/// this text under `trust`.
async fn program(trust: &str, lines: &str) -> (Scripted, Program) {
    let directory = Scripted::start([Act::Say(json_answer(200, USER))]).await;
    let scim = ", supports: {patch: true, etag: true}";
    let rule = rule(
        "/corp",
        &directory.url(),
        scim,
        "  User: {unmapped: pass}\n",
    );
    let program = Program::new(&[("corp.yaml", &rule)]);
    program.write("access.yaml", &with(trust, lines));
    (directory, program)
}

/// The access file of [`program`].
fn with(trust: &str, lines: &str) -> String {
    let account = format!("  - {{name: robot, roles: [admin], tenants: [corp], {lines}}}\n");
    format!("{}{account}trust:\n{trust}", access(&[ADMIN]))
}

/// An entry of `trust` whose keys are this issuer's.
fn by_keys(issuer: &Issuer) -> String {
    by(&format!("url: \"{}\"", issuer.url("/keys")))
}

fn by(keys: &str) -> String {
    format!(
        "  - {{name: corp, issuer: \"{ISSUER}\", audience: [\"{AUDIENCE}\"], jwks: {{{keys}}}}}\n"
    )
}

/// What a good token says.
fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "robot-1",
        "exp": seconds(300),
        "iat": seconds(-5),
    })
}

/// `claims` with these instead.
fn but(changes: &Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

const ROBOT: &str = "claims: [{trust: corp, sub: robot-1}]";

async fn ask(serving: &Serving, token: &str) -> Answer {
    serving.client.with_token(token).get("/Users/1").await
}

async fn metrics(serving: &Serving) -> Page {
    let (_, text) = plain_get(serving.probe(), "/metrics").await.unwrap();
    Page::read(&text)
}

async fn failures(serving: &Serving, reason: &str) -> f64 {
    let page = metrics(serving).await;
    let name = "postern_authentication_failures_total";
    page.get(name, &[("reason", reason)]).unwrap_or_default()
}

fn status(program: &Program, serving: &Serving) -> Value {
    let control = serving.line["control"].as_str().unwrap();
    let said = program.run(&["ctl", "--control", control, "status", "--json"]);
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
}

fn reload(program: &Program, serving: &Serving) {
    let control = serving.line["control"].as_str().unwrap();
    let said = program.run(&["ctl", "--control", control, "reload"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_trusted_issuer_is_an_account() {
    let issuer = Issuer::start().await;
    let keys = [Key::ec("e"), Key::rsa("r"), Key::ed("d")];
    issuer.publish(&keys.each_ref());
    let (_directory, program) = program(&by_keys(&issuer), ROBOT).await;
    let serving = program.serve("/corp");
    for key in &keys {
        let token = key.token(&claims());
        for client in [serving.client.clone(), serving.client.http2()] {
            client.with_token(&token).get("/Users/1").await.expect(200);
        }
    }
    // Secret tokens are what they were.
    serving.client.get("/Users/1").await.expect(200);
    // Without a key's name, where only one fits.
    let key = &keys[0];
    let nameless = key.sign(r#"{"alg":"ES256"}"#, &claims().to_string());
    ask(&serving, &nameless).await.expect(200);
    // A list of audiences with ours in it.
    let several = key.token(&but(&json!({"aud": ["x", AUDIENCE]})));
    ask(&serving, &several).await.expect(200);
    // Good, and nobody's.
    let stranger = key.token(&but(&json!({"sub": "robot-2"})));
    ask(&serving, &stranger).await.expect(401);
    assert!((failures(&serving, "account").await - 1.0).abs() < 0.1);

    assert_eq!(issuer.asked("/keys"), 1, "once is enough");
    let state = &status(&program, &serving)["trust"][0];
    assert_eq!(state["name"], "corp");
    assert_eq!(state["issuer"], ISSUER);
    assert_eq!(state["keys"], json!(["e", "r", "d"]));
    assert_eq!(state["error"], Value::Null);
    assert!(
        state["last_use"].is_string() && state["age_seconds"].is_number(),
        "{state}"
    );
    let page = metrics(&serving).await;
    let fetches = |result| {
        let labels = [("issuer", "corp"), ("result", result)];
        page.get("postern_oauth_keys_fetches_total", &labels)
    };
    assert_eq!((fetches("ok"), fetches("failed")), (Some(1.0), Some(0.0)));
    let lines = serving.access();
    let named = |line: &&Value| line["account"] == "robot" && line["key"] == "trust:corp";
    assert!(lines.iter().filter(named).count() >= 8, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_held_to_its_networks_and_its_end_is_at_once() {
    let issuer = Issuer::start().await;
    let key = Key::ec("e");
    issuer.publish(&[&key]);
    let trust = by_keys(&issuer);
    let lines = format!("networks: [127.0.0.2], {ROBOT}");
    let (_directory, program) = program(&trust, &lines).await;
    let serving = program.serve("/corp");
    let token = key.token(&claims());
    let inside = serving.client.by(serving.public(), "127.0.0.2");
    inside.with_token(&token).get("/Users/1").await.expect(200);
    ask(&serving, &token).await.expect(401);
    assert!((failures(&serving, "network").await - 1.0).abs() < 0.1);

    program.write("access.yaml", &with(&trust, ROBOT));
    reload(&program, &serving);
    ask(&serving, &token).await.expect(200);
    program.write("access.yaml", &with(&trust, "claims: []"));
    reload(&program, &serving);
    ask(&serving, &token).await.expect(401);
    program.write("access.yaml", &with(&trust, ROBOT));
    reload(&program, &serving);
    ask(&serving, &token).await.expect(200);
    // Three access files, and the keys are those of the first.
    assert_eq!(issuer.asked("/keys"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_accounts_could_claim_is_refused() {
    let issuer = Issuer::start().await;
    let key = Key::ec("e");
    issuer.publish(&[&key]);
    let other =
        "  - {name: other, roles: [admin], tenants: [corp], claims: [{trust: corp, azp: app}]}\n";
    let text = with(&by_keys(&issuer), ROBOT).replace("trust:\n", &format!("{other}trust:\n"));
    let (_directory, program) = program(&by_keys(&issuer), ROBOT).await;
    program.write("access.yaml", &text);
    let serving = program.serve("/corp");
    let app = |azp: &str, sub: &str| key.token(&but(&json!({"azp": azp, "sub": sub})));
    ask(&serving, &app("x", "robot-1")).await.expect(200);
    ask(&serving, &app("app", "y")).await.expect(200);
    ask(&serving, &app("app", "robot-1")).await.expect(401);
    assert!((failures(&serving, "ambiguous").await - 1.0).abs() < 0.1);
}

/// Entra ID's own token: only the directory id tells one customer from another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preset_for_entra_takes_one_directory_only() {
    const OURS: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    const THEIRS: &str = "0fbf8a5a-8ad1-4ba9-b4a4-5f6f5c6e2d2e";
    let key = Key::rsa("entra");
    let trust =
        format!("  - {{name: entra, preset: entra, tenant_id: {OURS}, jwks: {{file: k.json}}}}\n");
    let (_directory, program) = program(&trust, "claims: [{trust: entra, appid: app}]").await;
    program.write("k.json", &json!({"keys": [key.jwk]}).to_string());
    let serving = program.serve("/corp");
    let token = |issuer: &str, tid: Option<&str>, audience: &str| {
        let mut claims = json!({
            "iss": format!("https://sts.windows.net/{issuer}/"),
            "aud": audience,
            "appid": "app",
            "exp": seconds(300),
        });
        if let Some(tid) = tid {
            claims["tid"] = tid.into();
        }
        key.sign(
            &json!({"alg": "RS256", "kid": "entra", "typ": "JWT", "x5t": "x"}).to_string(),
            &claims.to_string(),
        )
    };
    let shared = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";
    ask(&serving, &token(OURS, Some(OURS), shared))
        .await
        .expect(200);
    for wrong in [
        token(THEIRS, Some(THEIRS), shared),
        token(THEIRS, Some(OURS), shared),
        token(OURS, Some(THEIRS), shared),
        token(OURS, None, shared),
        token(OURS, Some(OURS), "x"),
    ] {
        ask(&serving, &wrong).await.expect(401);
    }
    let said = program.run(&["check"]);
    let all = said.out + &said.err;
    assert!(all.contains("testing only"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_asked_by_tls_must_be_who_it_says() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (ca, private) = (made.cert.pem(), made.signing_key.serialize_pem());
    let issuer = Issuer::start_tls(&ca, &private).await;
    let key = Key::ec("e");
    issuer.publish(&[&key]);
    let token = key.token(&claims());
    for (trusted, wanted) in [(true, 200), (false, 503)] {
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let url = format!("url: \"{}\", ca_file: ca.pem", issuer.url("/keys"));
        let (_directory, program) = program(&by(&url), ROBOT).await;
        let other = other.cert.pem();
        program.write("ca.pem", if trusted { &ca } else { &other });
        let serving = program.serve("/corp");
        ask(&serving, &token).await.expect(wanted);
    }
}

/// What a client is told of each wrong token.
fn told(answer: &Answer) -> (http::HeaderMap, bytes::Bytes) {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    headers.remove("date");
    (headers, answer.body.clone())
}

/// The same client with a header of its own making.
fn client(serving: &Serving, authorization: &str) -> Client {
    let mut client = serving.client.clone();
    authorization.clone_into(&mut client.authorization);
    client
}
