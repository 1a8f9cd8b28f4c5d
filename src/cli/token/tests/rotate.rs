//! A token replaced while its client goes on.

use super::super::rotate::Rotate;
use super::*;

const TWO: &str = "\
# who may call
roles: {r: {allow: [{resources: \"*\", verbs: [read]}]}}
accounts:
  - name: entra # the big one
    roles: [r]
    tenants: [corp]
    tokens:
      - {id: soon, sha256: \"11\", expires: 2026-11-20}   # goes by itself
      - {id: long, sha256: \"22\", expires: 2027-12-01}
      # never ends
      - id: ever
        sha256: \"33\" # of 2024
      - {id: past, sha256: \"44\", expires: 2026-01-01}
      - {id: next, sha256: \"55\", not_before: 2026-12-01}
  - {name: okta, roles: [r], tenants: [corp], tokens: [{id: other, sha256: \"66\"}]}
operators:
  - {name: on-call, tokens: [{id: o1, sha256: \"77\"}]}
";

/// The file above, with hashes that are some.
fn file(name: &str) -> (Folder, PathBuf) {
    let folder = Folder::new(name);
    let path = folder.path("access.yaml");
    fs::write(&path, whole(TWO)).unwrap();
    (folder, path)
}

fn whole(text: &str) -> String {
    (1..=7).fold(text.to_owned(), |text, number| {
        let digits = format!("\"{number}{number}\"");
        text.replace(&digits, &format!("\"{}\"", number.to_string().repeat(64)))
    })
}

fn rotate(path: &Path, account: &str) -> Rotate {
    Rotate {
        access: path.to_owned(),
        of: Of {
            account: Some(account.to_owned()),
            operator: None,
        },
        id: Some("k9".to_owned()),
        expires: None,
        keep: "7d".to_owned(),
        write: true,
        kubernetes: false,
    }
}

/// What was said, with the file and the secret left out.
fn shown(said: &Said) -> String {
    let token = secret(said);
    format!("{}{}", said.out, said.err.replace(&token, "(the secret)"))
}

#[test]
fn the_older_ones_end_and_all_else_stays() {
    let (folder, path) = file("rotate");
    let options = Rotate {
        expires: Some("2027-06-01".to_owned()),
        ..rotate(&path, "entra")
    };
    let said = said(&Command::Rotate(options));
    assert_eq!(said.exit, 0, "{said:?}");
    let shown = shown(&said).replace(folder.0.to_str().unwrap(), "");
    insta::assert_snapshot!(shown, @r"
    The secret token of account `entra`, key `k9`. It is shown this once:

        (the secret)

    It is in /access.yaml: a postern that runs takes it within seconds.
    Keys `long`, `ever` end at 2026-11-22T00:00:00Z: give the new token to the client before that. `postern ctl status` shows when a key was last used; `postern token revoke --id ID` ends one at once.
    ");
    let token = secret(&said);
    assert_eq!(ask(&path, &token), Ok("entra k9".to_owned()));
    let end = "expires: \"2026-11-22T00:00:00Z\"";
    let hash = TokenHash::of(&token);
    let new = format!("      - {{id: k9, sha256: \"{hash}\", expires: \"2027-06-01\"}}\n");
    let wanted = TWO
        .replace("expires: 2027-12-01", end)
        .replace("# of 2024\n", &format!("# of 2024\n        {end}\n"))
        .replace("2026-12-01}\n", &format!("2026-12-01}}\n{new}"));
    assert_eq!(text(&path), whole(&wanted));
    assert_eq!(folder.names(), ["access.yaml"]);

    // Once more: those that end already are left alone, the new one is now an older one.
    let options = Rotate {
        id: None,
        keep: "0s".to_owned(),
        ..rotate(&path, "entra")
    };
    let again = at("2026-11-22", 2, &Command::Rotate(options));
    assert_eq!(again.exit, 0, "{again:?}");
    assert!(again.err.contains("Key `k9` ends at 2026-11-22T00:00:00Z"));
}

#[test]
fn a_patch_of_a_secret_holds_it_all() {
    let (_folder, path) = file("rotate-kubernetes");
    let options = Rotate {
        write: false,
        kubernetes: true,
        keep: "36h".to_owned(),
        ..rotate(&path, "okta")
    };
    let said = said(&Command::Rotate(options));
    assert_eq!(text(&path), whole(TWO));
    let patch: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    fs::write(&path, patch["stringData"]["access.yaml"].as_str().unwrap()).unwrap();
    assert_eq!(ask(&path, &secret(&said)), Ok("okta k9".to_owned()));
    let end = ", expires: \"2026-11-16T12:00:00Z\"}, {id: k9,";
    assert!(text(&path).contains(end), "{}", text(&path));
    assert!(said.err.contains("kubectl patch secret"), "{}", said.err);
}

#[test]
fn operators_rotate_too_and_so_does_who_has_none() {
    let (_folder, path) = file("rotate-operator");
    let options = Rotate {
        of: Of {
            account: None,
            operator: Some("on-call".to_owned()),
        },
        ..rotate(&path, "")
    };
    let first = said(&Command::Rotate(options));
    assert!(
        first.err.contains("Key `o1` ends at 2026-11-22T00:00:00Z"),
        "{first:?}"
    );
    let access = access::load(&read(&path, "").unwrap(), &access::Files::default()).unwrap();
    assert_eq!(&*access.operator_of("k9").unwrap().name, "on-call");

    let (_folder, path) = example("rotate-none");
    let only = said(&Command::Rotate(rotate(&path, "okta")));
    assert_eq!(only.exit, 0, "{only:?}");
    assert!(only.err.contains("No older token was live for longer."));
}

#[test]
fn mistakes_change_nothing() {
    let (folder, path) = file("rotate-mistakes");
    let with = |change: &dyn Fn(&mut Rotate)| {
        let mut options = rotate(&path, "entra");
        change(&mut options);
        said(&Command::Rotate(options))
    };
    for keep in [
        "",
        "d",
        "7",
        "-1d",
        "+1d",
        "1.5d",
        "7 d",
        "7D",
        "3651d",
        "99999999999999999999d",
        "18446744073709551615d",
        "99999h",
    ] {
        let said = with(&|options| options.keep = keep.to_owned());
        assert_eq!(said.exit, 64, "{keep}: {said:?}");
        assert!(said.err.starts_with("--keep: "), "{said:?}");
    }
    let mistakes = [
        with(&|options| options.of.account = Some("entar".to_owned())),
        with(&|options| options.id = Some("other".to_owned())),
        with(&|options| options.expires = Some("2026-11-15".to_owned())),
    ];
    assert!(mistakes.iter().all(|said| said.exit == 64), "{mistakes:?}");
    assert_eq!(text(&path), whole(TWO));
    assert_eq!(folder.names(), ["access.yaml"]);
}
