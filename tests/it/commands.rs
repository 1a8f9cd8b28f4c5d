//! The command line: exit codes, findings, and that what is printed can be used.

use std::process::Stdio;

use super::support::Program;
use super::support::program::{end, first_line, signal};

/// A rule that needs nothing but a URL.
fn rule(path: &str) -> String {
    format!(
        "tenant_url: https://localhost{path}\n\
         backend: {{scim: {{url: \"http://127.0.0.1:9/scim\"}}}}\n\
         resources: {{User: {{unmapped: pass}}}}\n"
    )
}

fn program() -> Program {
    Program::new(&[("corp.yaml", &rule("/corp"))])
}

#[test]
fn good_files_pass_and_quiet_prints_no_table() {
    let program = program();
    let said = program.run(&["check"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (Some(0), "no errors, 0 warnings\n")
    );
    assert!(
        said.out
            .starts_with("tenant corp at https://localhost/corp\n")
    );
    let said = program.run(&["check", "--quiet"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""));
}

/// `serve` and `check` see the same, and everything at once.
#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let program = program();
    program.write("rules/other.yaml", "tenant_url: 5\n");
    program.write(
        "access.yaml",
        "roles: {}\naccounts: [{name: a, roles: [nobody]}]\n",
    );
    program.write(
        "tls.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    for (command, code) in [("check", 1), ("serve", 64)] {
        let said = program.run(&[command]);
        assert_eq!(said.code, Some(code), "{command}: {}", said.err);
        for part in [
            "rules/other.yaml:1:13",
            "access.yaml:2:30",
            "there is no role `nobody`",
            "--> tls.key",
            "the private key is encrypted",
        ] {
            assert!(
                said.err.contains(part),
                "{command}: no {part} in {}",
                said.err
            );
        }
    }
}

#[test]
fn a_certificate_and_a_key_that_do_not_do_are_a_broken_configuration() {
    let other = program();
    let foreign = std::fs::read_to_string(other.folder.join("tls.key")).unwrap();
    type Spoil<'a> = &'a dyn Fn(&Program);
    let cases: [(Spoil<'_>, &str, &str); 4] = [
        (
            &|p| std::fs::remove_file(p.folder.join("tls.crt")).unwrap(),
            "--> tls.crt",
            "cannot be read",
        ),
        (
            &|p| p.write("tls.crt", ""),
            "--> tls.crt",
            "BEGIN CERTIFICATE",
        ),
        (
            &|p| p.write("tls.key", &foreign),
            "--> tls.key",
            "does not belong to the certificate",
        ),
        (
            &|p| p.write("tls.key", "nonsense"),
            "--> tls.key",
            "BEGIN PRIVATE KEY",
        ),
    ];
    for (spoil, place, text) in cases {
        let program = program();
        spoil(&program);
        for (command, code) in [("check", 1), ("serve", 64)] {
            let said = program.run(&[command]);
            assert_eq!(said.code, Some(code), "{command}: {}", said.err);
            assert!(
                said.err.contains(place) && said.err.contains(text),
                "{}",
                said.err
            );
        }
    }
}

#[test]
fn tenants_that_cannot_be_told_apart_are_refused() {
    for (file, path, wanted) in [
        ("corp.yml", "/other", "makes a tenant named `corp` already"),
        ("other.yaml", "/corp", "is taken by `rules/corp.yaml`"),
        ("other.yaml", "/corp/", "is taken by `rules/corp.yaml`"),
        ("other.yaml", "/corp/Users", "hides an endpoint"),
        ("before.yaml", "/corp/Bulk/more", "hides an endpoint"),
        ("*.yaml", "/other", "cannot be the name of a tenant"),
    ] {
        let program = program();
        program.write(&format!("rules/{file}"), &rule(path));
        let said = program.run(&["check"]);
        assert_eq!(said.code, Some(1), "{file} {path}");
        assert!(said.err.contains(wanted), "{}", said.err);
    }
    let program = program();
    for (file, path) in [
        ("inner", "/corp/branch"),
        ("case", "/Corp"),
        ("longer", "/corp2"),
    ] {
        program.write(&format!("rules/{file}.yaml"), &rule(path));
    }
    let said = program.run(&["check"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn a_rule_file_that_is_a_link_to_nothing_is_missed() {
    let program = program();
    std::os::unix::fs::symlink("nowhere", program.folder.join("rules/lost.yaml")).unwrap();
    let said = program.run(&["check"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("--> rules/lost.yaml"), "{}", said.err);
}

#[test]
fn wrong_usage_is_64() {
    let program = program();
    for arguments in [
        &["srve"][..],
        &[],
        &["serve", "--colour"],
        &["token", "new"],
        &["demo", "--port", "70000"],
        &["serve", "--config", "nowhere.yaml"],
    ] {
        let said = program.run(arguments);
        assert_eq!(said.code, Some(64), "{arguments:?}: {}", said.err);
        assert!(!said.err.is_empty() && said.out.is_empty());
    }
    for arguments in [&["--help"][..], &["--version"], &["token", "new", "--help"]] {
        let said = program.run(arguments);
        assert_eq!(
            (said.code, said.err.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

/// `postern check | head` used to end in a panic.
#[test]
fn a_reader_that_has_enough_is_no_failure_and_a_full_disk_is_one() {
    let program = program();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = program
        .command(&["check"])
        .stdout(writer)
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = program
        .command(&["srve", "--nonsense"])
        .stderr(writer)
        .status();
    assert_eq!(status.unwrap().code(), Some(64), "of clap");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    program.write("access.yaml", "");
    let status = program.command(&["serve"]).stderr(writer).status();
    assert_eq!(status.unwrap().code(), Some(64), "of ours");
    program.write("access.yaml", "roles: {}\naccounts: []\n");
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let output = program.command(&["check"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("standard output")
        );
    }
}

/// Nothing is left of the demo, and its first line is right when it can be read.
#[tokio::test]
async fn the_demo_serves_and_leaves_nothing_behind() {
    for name in ["TERM", "INT"] {
        let program = program();
        let mut child = program
            .command(&["demo", "--json", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = first_line(&mut child);
        let ca = std::fs::read(line["ca_file"].as_str().unwrap()).unwrap();
        let url: http::Uri = line["tenant_url"].as_str().unwrap().parse().unwrap();
        let address = ([127, 0, 0, 1], url.port_u16().unwrap()).into();
        let token = line["token"].as_str().unwrap();
        let client = super::support::Client::new(address, &ca, url.path(), token);
        let list = client.get("/Users?count=1").await.expect(200).json();
        assert!(list["totalResults"].as_u64().unwrap() > 0);
        signal(&child, name);
        assert_eq!(end(&mut child).code(), Some(0));
        let left: Vec<_> = std::fs::read_dir(&program.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("postern-demo"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_said_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let program = program();
    program.write(
        "postern.yaml",
        &format!(
            "listen: {{public: \"127.0.0.1:0\", probe: \"{at}\", control: \"127.0.0.1:0\"}}\n\
             tls: {{certificate: tls.crt, key: tls.key}}\n"
        ),
    );
    let said = program.run(&["serve"]);
    assert_eq!(said.code, Some(1));
    let last = said.err.lines().last().unwrap();
    assert!(
        last.starts_with(&format!(
            "error: the probe listener does not open: cannot listen on {at}: "
        )),
        "{last}"
    );
    assert_eq!(last.matches("in use").count(), 1, "{last}");
}
