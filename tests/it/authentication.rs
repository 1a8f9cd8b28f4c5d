//! Who is let in by what they send: every way of it, with its status. Two tenants, tokens of the
//! other, of none, dead and unborn, and headers as odd as they come.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::program::Serving;
use crate::support::scripted::{Act, json_answer};
use crate::support::world::{Account, access, rule, token};
use crate::support::{Program, Scripted};

const USER: &str =
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"a"}"#;

/// What of an answer tells a stranger something: the status, and the rest without its marks.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    rest: String,
}

/// A request with these bytes as header lines.
async fn send(serving: &Serving, target: &str, lines: &[u8]) -> Told {
    let mut stream = serving.client.connect(&[b"http/1.1"]).await;
    let mut request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
    request.extend_from_slice(lines);
    request.extend_from_slice(b"connection: close\r\n\r\n");
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    // The close may come without the farewell of TLS.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer[9..12].parse().unwrap();
    let marks = ["date:", "x-request-id:"];
    let lines = answer.lines().filter(|line| {
        let line = line.to_lowercase();
        !marks.iter().any(|mark| line.starts_with(mark))
    });
    Told {
        status,
        rest: lines.collect::<Vec<_>>().join("\n"),
    }
}

fn account<'a>(name: &'a str, tenants: &'a str, more: &'a str) -> Account<'a> {
    Account {
        name,
        verbs: "read",
        tenants,
        more,
    }
}

const ACCOUNTS: [(&str, &str, &str); 5] = [
    ("own", "red", ""),
    ("other", "blue", ""),
    ("none", "", ""),
    ("old", "red", "expires: 2020-01-01"),
    ("early", "red", "not_before: 2999-01-01"),
];

async fn start() -> (Scripted, Program, Serving) {
    let directory = Scripted::start([Act::Say(json_answer(200, USER))]).await;
    let red = rule("/red", &directory.url(), "", "  User: {unmapped: pass}\n");
    let blue = rule("/blue", &directory.url(), "", "  User: {unmapped: pass}\n");
    let program = Program::new(&[("red.yaml", &red), ("blue.yaml", &blue)]);
    write(&program, &ACCOUNTS);
    let serving = program.serve("/red");
    (directory, program, serving)
}

fn write(program: &Program, all: &[(&str, &str, &str)]) {
    let all = all
        .iter()
        .map(|(name, tenants, more)| account(name, tenants, more));
    program.write("access.yaml", &access(&all.collect::<Vec<_>>()));
}

fn reload(program: &Program, serving: &Serving) {
    let control = serving.line["control"].as_str().unwrap();
    let said = program.run(&["ctl", "--control", control, "reload"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// A header line.
fn line(name: &str, value: &str) -> Vec<u8> {
    format!("{name}: {value}\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_can_be_sent_has_its_status() {
    let (directory, program, serving) = start().await;
    let authorization = |value: &str| line("authorization", value);
    let bearer = |name: &str| authorization(&format!("Bearer {}", token(name)));
    let own = token("own");
    let twice = |a: &str, b: &str| [authorization(a), authorization(b)].concat();
    let here = "/red/Users/1";
    let in_query = format!("{here}?access_token={own}&token={own}");
    let basic = {
        // `own:x` by hand: nobody needs a library for one line.
        authorization("Basic b3duOng=")
    };
    let long = format!("Bearer {}", "a".repeat(10 * 1024));
    let not_ascii = [b"authorization: Bearer ", own.as_bytes(), b"\xc3\xa9\r\n"].concat();
    let rows: Vec<(&str, &str, Vec<u8>, u16)> = vec![
        ("its own", here, bearer("own"), 200),
        ("of the other tenant", here, bearer("other"), 403),
        ("of no tenant", here, bearer("none"), 403),
        ("its own, elsewhere", "/blue/Users/1", bearer("own"), 403),
        ("its own, nowhere", "/green/Users/1", bearer("own"), 404),
        ("expired", here, bearer("old"), 401),
        ("not yet valid", here, bearer("early"), 401),
        ("unknown", here, bearer("nobody"), 401),
        ("nothing", here, Vec::new(), 401),
        ("nothing, nowhere", "/green/Users/1", Vec::new(), 401),
        (
            "lower-case scheme",
            here,
            authorization(&format!("bearer {own}")),
            200,
        ),
        (
            "upper-case scheme",
            here,
            authorization(&format!("BEARER {own}")),
            200,
        ),
        (
            "several spaces",
            here,
            authorization(&format!("Bearer    {own}")),
            200,
        ),
        (
            "space at the end",
            here,
            authorization(&format!("Bearer {own}  ")),
            200,
        ),
        (
            "tab at the end",
            here,
            authorization(&format!("Bearer {own}\t")),
            200,
        ),
        (
            "a tab between",
            here,
            authorization(&format!("Bearer\t{own}")),
            401,
        ),
        (
            "a space and a tab",
            here,
            authorization(&format!("Bearer \t{own}")),
            401,
        ),
        (
            "a space within",
            here,
            authorization(&format!("Bearer {own} x")),
            401,
        ),
        (
            "no space",
            here,
            authorization(&format!("Bearer{own}")),
            401,
        ),
        ("no scheme", here, authorization(&own), 401),
        (
            "another scheme",
            here,
            authorization(&format!("Token {own}")),
            401,
        ),
        (
            "a scheme within",
            here,
            authorization(&format!("Bearer Bearer {own}")),
            401,
        ),
        (
            "quoted",
            here,
            authorization(&format!("Bearer \"{own}\"")),
            401,
        ),
        (
            "with a comma",
            here,
            authorization(&format!("Bearer {own}, Bearer {own}")),
            401,
        ),
        (
            "named",
            here,
            authorization(&format!("Bearer token={own}")),
            401,
        ),
        (
            "padded",
            here,
            authorization(&format!("Bearer {own}==")),
            401,
        ),
        (
            "upper-case token",
            here,
            authorization(&format!("Bearer {}", own.to_uppercase())),
            401,
        ),
        (
            "cut short",
            here,
            authorization(&format!("Bearer {}", &own[..own.len() - 1])),
            401,
        ),
        ("Basic", here, basic, 401),
        ("empty", here, authorization(""), 401),
        ("a scheme alone", here, authorization("Bearer"), 401),
        ("a scheme and a space", here, authorization("Bearer "), 401),
        ("not ASCII", here, not_ascii, 401),
        ("ten kilobytes", here, authorization(&long), 401),
        (
            "twice the same",
            here,
            twice(&format!("Bearer {own}"), &format!("Bearer {own}")),
            400,
        ),
        (
            "twice",
            here,
            twice(&format!("Bearer {own}"), "Basic b3duOng="),
            400,
        ),
        ("in the query", &in_query, Vec::new(), 401),
        (
            "in a cookie",
            here,
            line("cookie", &format!("access_token={own}")),
            401,
        ),
        (
            "for a proxy",
            here,
            line("proxy-authorization", &format!("Bearer {own}")),
            401,
        ),
        (
            "forwarded",
            here,
            line("x-forwarded-authorization", &format!("Bearer {own}")),
            401,
        ),
        ("as an API key", here, line("x-api-key", &own), 401),
    ];
    let well = rows.iter().filter(|row| row.3 == 200).count();
    let mut dead = Vec::new();
    for (what, target, lines, status) in rows {
        let told = send(&serving, target, &lines).await;
        assert_eq!(told.status, status, "{what}: {told:?}");
        assert!(!told.rest.contains(&own), "{what}: {told:?}");
        if ["expired", "not yet valid", "unknown", "cut short", "padded"].contains(&what) {
            dead.push(told);
        }
    }
    // Nobody is told why.
    dead.dedup();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(directory.requests().len(), well);

    // Revoked a second ago, and the connection of before is no help.
    let revoked = bearer("own");
    let mut kept = serving.client.connect(&[b"http/1.1"]).await;
    let request = [
        b"GET /red/Users/1 HTTP/1.1\r\nhost: localhost\r\n",
        &revoked[..],
        b"\r\n",
    ]
    .concat();
    let mut ask = async || {
        kept.write_all(&request).await.unwrap();
        let mut answer = vec![0; 16 * 1024];
        let length = kept.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[9..12.min(length)]).into_owned()
    };
    assert_eq!(ask().await, "200");
    write(&program, &ACCOUNTS[1..]);
    reload(&program, &serving);
    assert_eq!(ask().await, "401");
    assert_eq!(send(&serving, here, &revoked).await, dead.remove(0));
    write(&program, &ACCOUNTS);
    reload(&program, &serving);
    assert_eq!(send(&serving, here, &revoked).await.status, 200);
}

/// The same by HTTP/2, where header lines are no text that could be odd.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_version_of_http_is_no_other_door() {
    let (_directory, _program, serving) = start().await;
    let client = serving.client.http2();
    let own = token("own");
    for (authorization, status) in [
        (format!("Bearer {own}"), 200),
        (format!("bearer  {own}"), 200),
        (format!("Bearer {}", token("other")), 403),
        (format!("Bearer {}", token("old")), 401),
        (format!("Bearer {}", token("nobody")), 401),
        (format!("Bearer {own},"), 401),
        ("Basic b3duOng=".to_owned(), 401),
        (String::new(), 401),
    ] {
        let mut client = client.clone();
        client.authorization = authorization;
        let answer = client.get("/Users/1").await;
        assert_eq!(answer.status.as_u16(), status, "{}", client.authorization);
    }
    let twice = format!("Bearer {own}");
    let mut client = client.clone();
    client.authorization = twice.clone();
    let lines = [("authorization", &*twice)];
    let answer = client.send(http::Method::GET, "/Users/1", &lines, "").await;
    assert_eq!(answer.status, 400);
}
