//! The commands on real files.

mod rotate;

use std::fs;
use std::path::{Path, PathBuf};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::auth::token::tests::counting;
use crate::auth::{AuthError, Presented, Rejection};
use crate::config::read::read;

/// A folder of its own for a test, gone with it.
pub(in crate::cli) struct Folder(PathBuf);

impl Folder {
    pub(in crate::cli) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("postern-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(in crate::cli) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(in crate::cli) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const EXAMPLE: &str = "\
# who may call
roles:
  r: {allow: [{resources: \"*\", verbs: [read]}]}   # readers
accounts:
  - name: entra-prod
    roles: [r]
    tenants: [corp]
    tokens:
      # the old one
      - {id: old, sha256: \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\", expires: 2026-12-01}
  - {name: okta, roles: [r], tenants: [corp]}
";

/// Everything that a command says, and its exit code.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    exit: u8,
}

fn at(now: &str, seed: u64, command: &Command) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut random = counting(seed);
    let result = perform(
        command,
        &mut Console {
            now: instant::parse(now).unwrap(),
            random: &mut random,
            out: &mut out,
            err: &mut err,
            colour: false,
        },
    );
    let mut err = String::from_utf8(err).unwrap();
    let exit = match result {
        Ok(()) => 0,
        Err(error) => {
            err.push_str(&error.message);
            error.exit
        }
    };
    let out = String::from_utf8(out).unwrap();
    Said { out, err, exit }
}

fn said(command: &Command) -> Said {
    at("2026-11-15", 1, command)
}

fn make(access: &Path, account: &str) -> New {
    New {
        access: access.to_owned(),
        of: Of {
            account: Some(account.to_owned()),
            operator: None,
        },
        id: None,
        making: Making {
            write: true,
            ..Making::default()
        },
    }
}

fn secret(said: &Said) -> String {
    let word = said
        .err
        .split_whitespace()
        .find(|word| token::is_whole(word));
    word.expect("a token").to_owned()
}

fn ask(path: &Path, token: &str) -> Result<String, AuthError> {
    let access = access::load(&read(path, "").unwrap(), &access::Files::default()).unwrap();
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(AUTHORIZATION, value);
    let now = instant::parse("2026-11-15").unwrap();
    let presented = Presented::new(&headers, std::net::Ipv4Addr::LOCALHOST.into());
    let caller = access.authenticate(&presented, now)?.now().unwrap();
    Ok(format!("{} {}", caller.account(), caller.key))
}

fn example(name: &str) -> (Folder, PathBuf) {
    let folder = Folder::new(name);
    let path = folder.path("access.yaml");
    fs::write(&path, EXAMPLE).unwrap();
    (folder, path)
}

fn text(path: &Path) -> String {
    read(path, "").unwrap().text.to_string()
}

#[test]
fn made_used_and_revoked() {
    let (_folder, path) = example("token-life");
    for (seed, account) in [(1, "entra-prod"), (2, "okta")] {
        let made = at("2026-11-15", seed, &Command::New(make(&path, account)));
        assert_eq!(made.exit, 0, "{made:?}");
        let token = secret(&made);
        let id = token::key_id(&token).unwrap();
        assert_eq!(ask(&path, &token), Ok(format!("{account} {id}")));
        assert!(!text(&path).contains(&token) && !made.out.contains(&token));
        assert!(text(&path).contains(made.out.trim_start_matches("- ").trim_end()));

        // By its key id, or by the token itself.
        let id = if seed == 1 {
            id.to_owned()
        } else {
            token.clone()
        };
        let access = path.clone();
        let revoked = said(&Command::Revoke(Revoke { access, id }));
        assert_eq!(revoked.exit, 0, "{revoked:?}");
        assert!(!revoked.err.contains(&token));
        assert_eq!(
            ask(&path, &token),
            Err(AuthError::Rejected(Rejection::Unknown))
        );
    }
    // Only the list that was made for okta's first token is left, empty.
    assert_eq!(
        text(&path),
        EXAMPLE.replace("[corp]}\n", "[corp], tokens: []}\n")
    );
}

#[test]
fn without_write_nothing_is_written() {
    let (folder, path) = example("token-print");
    let options = New {
        id: Some("k1".to_owned()),
        making: Making {
            not_before: Some("2026-11-01".to_owned()),
            expires: Some("2027-02-01T08:00:00+01:00".to_owned()),
            ..Making::default()
        },
        ..make(&path, "okta")
    };
    let made = said(&Command::New(options));
    assert_eq!(text(&path), EXAMPLE);
    assert_eq!(folder.names(), ["access.yaml"]);
    let hash = TokenHash::of(&secret(&made));
    let line = format!(
        "- {{id: k1, sha256: \"{hash}\", not_before: \"2026-11-01\", expires: \"2027-02-01T08:00:00+01:00\"}}\n"
    );
    assert_eq!(made.out, line);
    // The line works where the message says that it belongs.
    let tokens = format!("[corp]\n    tokens:\n      {line}");
    let item = EXAMPLE.replace(
        "{name: okta, roles: [r], tenants: [corp]}",
        &format!("name: okta\n    roles: [r]\n    tenants: {tokens}"),
    );
    fs::write(&path, item).unwrap();
    assert_eq!(ask(&path, &secret(&made)), Ok("okta k1".to_owned()));
}

#[test]
fn a_patch_of_a_secret_holds_the_whole_file() {
    let (_folder, path) = example("token-kubernetes");
    let options = New {
        making: Making {
            kubernetes: true,
            ..Making::default()
        },
        ..make(&path, "okta")
    };
    let made = said(&Command::New(options));
    assert_eq!(text(&path), EXAMPLE);
    let patch: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    fs::write(&path, patch["stringData"]["access.yaml"].as_str().unwrap()).unwrap();
    assert!(ask(&path, &secret(&made)).unwrap().starts_with("okta "));
}

#[test]
fn tokens_are_listed_with_their_state() {
    let (_folder, path) = example("token-list");
    let later = New {
        id: Some("k2".to_owned()),
        making: Making {
            not_before: Some("2026-11-20".to_owned()),
            write: true,
            ..Making::default()
        },
        ..make(&path, "okta")
    };
    said(&Command::New(later));
    let list = |now| {
        at(
            now,
            1,
            &Command::List(List {
                access: path.clone(),
            }),
        )
        .out
    };
    insta::assert_snapshot!(list("2026-11-15"), @r"
    ACCOUNT     ID   NOT BEFORE            EXPIRES               STATE
    entra-prod  old  -                     2026-12-01T00:00:00Z  live
    okta        k2   2026-11-20T00:00:00Z  -                     not yet
    ");
    let states = |now| {
        let out = list(now);
        let states: Vec<_> = out
            .lines()
            .skip(1)
            .map(|l| l.rsplit("  ").next().unwrap().to_owned())
            .collect();
        states
    };
    assert_eq!(states("2026-12-01"), ["expired", "live"]);
}

#[test]
fn mistakes_say_what_to_do_and_change_nothing() {
    let (folder, path) = example("token-mistakes");
    let new = |change: &dyn Fn(&mut New)| {
        let mut options = make(&path, "okta");
        change(&mut options);
        said(&Command::New(options))
    };
    let revoke = |id: &str| {
        let (access, id) = (path.clone(), id.to_owned());
        said(&Command::Revoke(Revoke { access, id }))
    };
    let some = |text: &str| Some(text.to_owned());
    let cut = "postern_old2_abcdefghijklmnopqrstuvwxyz";
    let mistakes = [
        new(&|o| o.of.account = Some("okt".to_owned())),
        new(&|o| o.of.account = Some("nobody at all".to_owned())),
        new(&|o| o.id = some("old")),
        new(&|o| o.id = some("K_1")),
        new(&|o| o.making.expires = some("soon")),
        new(&|o| o.making.expires = some("2026-11-15")),
        new(&|o| {
            (o.making.not_before, o.making.expires) = (some("2027-01-02"), some("2027-01-01"))
        }),
        revoke("odl"),
        revoke(cut),
        new(&|o| o.access = folder.path("none.yaml")),
    ];
    let shown: Vec<String> = mistakes
        .iter()
        .map(|said| format!("{} {}{}", said.exit, said.out, said.err))
        .collect();
    let shown = shown.join("\n").replace(folder.0.to_str().unwrap(), "");
    insta::assert_snapshot!(shown);
    assert_eq!(text(&path), EXAMPLE);
    assert_eq!(folder.names(), ["access.yaml"]);
}

#[test]
fn a_broken_file_is_not_touched() {
    let (_folder, path) = example("token-broken");
    let broken = EXAMPLE.replace("roles: [r]", "roles: [x]");
    fs::write(&path, &broken).unwrap();
    let made = said(&Command::New(make(&path, "okta")));
    assert_eq!((made.exit, made.out.as_str()), (64, ""));
    assert!(made.err.contains("there is no role `x`"));
    assert_eq!(text(&path), broken);
}

#[test]
fn without_randomness_there_is_no_token() {
    let (_folder, path) = example("token-random");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console {
        now: SystemTime::UNIX_EPOCH,
        random: &mut |_| false,
        out: &mut out,
        err: &mut err,
        colour: false,
    };
    let error = perform(&Command::New(make(&path, "okta")), &mut console).unwrap_err();
    assert_eq!(error.exit, 1);
    assert_eq!(text(&path), EXAMPLE);
}

#[test]
fn operators_have_tokens_too() {
    let (_folder, path) = example("token-operator");
    let with = format!("{EXAMPLE}operators: # of the control listener\n- name: on-call\n");
    fs::write(&path, &with).unwrap();
    let of = |operator: &str| New {
        of: Of {
            account: None,
            operator: Some(operator.to_owned()),
        },
        ..make(&path, "")
    };
    let made = said(&Command::New(of("on-call")));
    assert_eq!(made.exit, 0, "{made:?}");
    assert!(made.err.contains("of operator `on-call`"), "{made:?}");
    let token = secret(&made);
    assert_eq!(
        ask(&path, &token),
        Err(AuthError::Rejected(Rejection::Unknown)),
        "it is nothing at the door of accounts"
    );
    let access = access::load(&read(&path, "").unwrap(), &access::Files::default()).unwrap();
    let id = token::key_id(&token).unwrap();
    assert_eq!(&*access.operator_of(id).unwrap().name, "on-call");

    let list = said(&Command::List(List {
        access: path.clone(),
    }));
    assert!(list.out.contains("operator on-call  "), "{}", list.out);
    let taken = New {
        id: Some(id.to_owned()),
        ..make(&path, "okta")
    };
    let taken = said(&Command::New(taken));
    assert_eq!(taken.exit, 64);
    assert!(
        taken.err.contains("is taken by operator `on-call`"),
        "{taken:?}"
    );
    let nobody = said(&Command::New(of("okta")));
    assert_eq!(nobody.exit, 64);
    assert!(nobody.err.contains("no operator `okta`"), "{nobody:?}");

    let revoked = said(&Command::Revoke(Revoke {
        access: path.clone(),
        id: token.clone(),
    }));
    assert_eq!(revoked.exit, 0, "{revoked:?}");
    assert_eq!(text(&path), format!("{with}  tokens:\n"));
}
