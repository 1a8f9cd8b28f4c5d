//! The commands on real files.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::auth::issue::{Proof, Replays};
use crate::auth::token::{self, tests::counting};
use crate::auth::{Secret, instant};
use crate::cli::token::signing::SigningKey;
use crate::cli::token::tests::Folder;
use crate::cli::token::{self as tokens, List};
use crate::config;

const EXAMPLE: &str = "\
# who may call
roles: {r: {allow: [{resources: \"*\", verbs: [read]}]}}
accounts:
  - {name: entra, roles: [r], tenants: [corp]}   # the big one
  - name: okta
    roles: [r]
    tenants: [corp]
issue: {issuer: \"https://scim.example.com\", keys: [{file: signing.pem}]}
";

fn run(seed: u64, work: impl FnOnce(&mut Console<'_>) -> Result<(), CliError>) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console {
        now: now(),
        random: &mut counting(seed),
        out: &mut out,
        err: &mut err,
        colour: false,
    };
    if let Err(error) = work(&mut console) {
        return (String::new(), error.message);
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(out), text(err))
}

fn now() -> SystemTime {
    instant::parse("2026-11-15").unwrap()
}

fn example(name: &str) -> Folder {
    let folder = Folder::new(name);
    let options = SigningKey {
        file: folder.path("signing.pem"),
        ed25519: false,
    };
    let (out, err) = run(1, |console| {
        tokens::perform(&tokens::Command::SigningKey(options), console)
    });
    assert!(
        out.starts_with("- {file: ") && err.contains("key of id"),
        "{out}{err}"
    );
    fs::write(folder.path("access.yaml"), EXAMPLE).unwrap();
    folder
}

fn make(folder: &Folder, account: &str) -> New {
    New {
        access: folder.path("access.yaml"),
        account: account.to_owned(),
        id: None,
        making: Making {
            write: true,
            ..Making::default()
        },
    }
}

fn text(path: &Path) -> String {
    config::read::read(path, "").unwrap().text.to_string()
}

fn secret_in(err: &str) -> Secret {
    let mut words = err.split_whitespace();
    let word = words.find(|word| token::is_whole(word));
    Secret::new(word.expect("a secret").to_owned())
}

fn knows(access: &Path, id: &str, secret: &Secret) -> bool {
    let (_, auth) = config::access::open(access, "").unwrap();
    let proof = Proof::Secret {
        id,
        secret: secret.expose(),
    };
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    let known = auth.client(proof, from, &Replays::default(), now());
    known.is_some_and(|known| known.is_ok())
}

#[test]
fn made_used_rotated_and_revoked() {
    let folder = example("client-life");
    let access = folder.path("access.yaml");
    let (out, err) = run(2, |console| {
        perform(&Command::New(make(&folder, "entra")), console)
    });
    let first = secret_in(&err);
    assert!(
        out.starts_with("- {id: \"entra\", secret_sha256: \""),
        "{out}"
    );
    assert!(!out.contains(first.expose()));
    assert!(knows(&access, "entra", &first));
    // One more secret of the same client, and a client of another account.
    let second = run(3, |console| {
        let mut options = make(&folder, "entra");
        options.making.expires = Some("2027-02-01".to_owned());
        perform(&Command::New(options), console)
    });
    let second = secret_in(&second.1);
    let other = run(4, |console| {
        let mut options = make(&folder, "okta");
        options.id = Some("okta-prod".to_owned());
        perform(&Command::New(options), console)
    });
    assert!(knows(&access, "entra", &first) && knows(&access, "entra", &second));
    assert!(knows(&access, "okta-prod", &secret_in(&other.1)));
    let list = List {
        access: access.clone(),
    };
    let (listed, _) = run(5, |console| {
        tokens::perform(&tokens::Command::List(list), console)
    });
    assert_eq!(
        listed
            .lines()
            .map(|line| line.split("  ").next().unwrap())
            .collect::<Vec<_>>(),
        [
            "ACCOUNT",
            "client of entra",
            "client of entra",
            "client of okta"
        ]
    );
    let revoke = Revoke {
        access: access.clone(),
        id: "entra".to_owned(),
    };
    let (_, err) = run(6, |console| {
        perform(&Command::Revoke(revoke.clone()), console)
    });
    assert!(err.contains("is out of"), "{err}");
    assert!(!knows(&access, "entra", &first) && !knows(&access, "entra", &second));
    assert!(knows(&access, "okta-prod", &secret_in(&other.1)));
    let all = text(&access);
    assert!(
        all.contains("# who may call") && all.contains("# the big one"),
        "{all}"
    );
    let (_, err) = run(7, |console| perform(&Command::Revoke(revoke), console));
    assert!(
        err.contains("there is no client `entra`") && err.contains("okta-prod"),
        "{err}"
    );
}

#[test]
fn mistakes_say_what_to_do_and_change_nothing() {
    let folder = example("client-mistakes");
    let access = folder.path("access.yaml");
    let taken = |console: &mut Console<'_>| perform(&Command::New(make(&folder, "okta")), console);
    run(2, taken);
    let before = text(&access);
    let refused = |change: fn(&mut New)| {
        let mut options = make(&folder, "entra");
        change(&mut options);
        run(3, |console| perform(&Command::New(options), console)).1
    };
    let said = refused(|options| options.account = "entr".to_owned());
    assert!(said.contains("did you mean `entra`?"), "{said}");
    let said = refused(|options| options.id = Some("okta".to_owned()));
    assert!(said.contains("is that of account `okta`"), "{said}");
    let said = refused(|options| options.id = Some("a b".to_owned()));
    assert!(said.contains("was not changed"), "{said}");
    let said = refused(|options| options.making.expires = Some("2026-01-01".to_owned()));
    assert!(said.contains("past already"), "{said}");
    assert_eq!(text(&access), before);
    // Without somebody who issues, a secret would be of no use.
    fs::write(
        &access,
        before
            .lines()
            .filter(|line| {
                !line.starts_with("issue")
                    && !line.contains("clients")
                    && !line.contains("secret_sha256")
            })
            .collect::<Vec<_>>()
            .join("\n"),
    )
    .unwrap();
    let said = refused(|_| {});
    assert!(said.contains("has no `issue`"), "{said}");
}

#[test]
fn a_signing_key_is_for_its_owner_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("client-key");
    for ed25519 in [false, true] {
        let file = folder.path(if ed25519 { "ed.pem" } else { "es.pem" });
        let options = SigningKey {
            file: file.clone(),
            ed25519,
        };
        let command = tokens::Command::SigningKey(options);
        let (_, err) = run(1, |console| tokens::perform(&command, console));
        let id = crate::auth::issue::key_id_of(text(&file).as_bytes()).unwrap();
        assert!(err.contains(&format!("`{id}`")), "{err}");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let before = text(&file);
        let (_, err) = run(1, |console| tokens::perform(&command, console));
        assert!(err.contains("never overwritten"), "{err}");
        assert_eq!(text(&file), before);
    }
}
