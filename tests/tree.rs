//! What may not be in the tree of dependencies: a second TLS library or cryptography provider, and
//! the feature of `serde_json` that hands on what nobody has checked. `deny.toml` says the same to
//! cargo-deny; this needs no tool but cargo itself.

#![allow(
    clippy::panic,
    reason = "a test that fails by panicking, in helpers too"
)]

use std::process::Command;

#[test]
fn one_tls_library_and_one_provider() {
    let Some(tree) = cargo_tree(&["--prefix", "none", "--format", "{p}"]) else {
        return;
    };
    let banned = [
        "ring",
        "openssl",
        "openssl-sys",
        "native-tls",
        "boring",
        "rustls-pemfile",
        "schannel",
    ];
    let found: Vec<&str> = packages(&tree).filter(|p| banned.contains(p)).collect();
    assert!(
        found.is_empty(),
        "in the tree, and must not be: {found:?}; `cargo tree -i NAME` says by whom"
    );
    let needed = ["rustls", "aws-lc-rs"];
    let missing: Vec<&&str> = needed
        .iter()
        .filter(|name| !packages(&tree).any(|p| p == **name))
        .collect();
    assert!(missing.is_empty(), "not in the tree: {missing:?}");
}

#[test]
fn no_document_passes_unchecked() {
    let Some(tree) = cargo_tree(&["--prefix", "none", "--format", "{p}|{f}"]) else {
        return;
    };
    let features: Vec<&str> = tree
        .lines()
        .filter(|line| line.starts_with("serde_json "))
        .filter_map(|line| line.split_once('|')?.1.split(' ').next())
        .collect();
    assert!(!features.is_empty(), "serde_json is not in the tree");
    for list in features {
        let on = |name: &str| list.split(',').any(|feature| feature == name);
        assert!(
            !on("raw_value"),
            "serde_json has `raw_value`: `cargo tree -e features -i serde_json` says by whom"
        );
        assert!(
            on("preserve_order") && on("arbitrary_precision"),
            "serde_json keeps neither the order nor the digits: {list}"
        );
    }
}

#[test]
fn the_protocol_oracles_are_for_tests_only() {
    let Some(tree) = cargo_tree(&["--prefix", "none", "--format", "{p}", "-e", "normal"]) else {
        return;
    };
    let found: Vec<&str> = packages(&tree)
        .filter(|p| ["scim_v2", "proptest", "insta", "ldap3"].contains(p))
        .collect();
    assert!(found.is_empty(), "shipped with the program: {found:?}");
}

/// The lines of `cargo tree`, or nothing (with a word why) where cargo cannot tell.
fn cargo_tree(arguments: &[&str]) -> Option<String> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["tree", "--offline", "--locked", "--manifest-path", manifest])
        .args(arguments)
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(
                words.contains("--offline") || words.contains("offline mode"),
                "cargo tree failed:\n{words}"
            );
            println!("skipped: the dependencies are not on this machine");
            None
        }
        Err(error) => {
            println!("skipped: cargo is not here ({error})");
            None
        }
    }
}

/// The names of packages in lines such as `rustls v0.23.46 (*)`.
fn packages(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines().filter_map(|line| line.split(' ').next())
}
