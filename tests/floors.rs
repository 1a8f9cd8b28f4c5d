//! Holds the shape of the house: which floor may use which, what the pure floors never touch, and
//! what every file looks like. `docs/adr/0001-one-crate-and-floors.md` says why.
//!
//! The sources are read as text: comments, strings and everything under `#[cfg(test)]` are set
//! aside, every path in what is left is looked at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test that reads the sources; it fails by panicking"
)]

#[path = "floors/source.rs"]
mod source;

use std::path::{Path, PathBuf};

use source::Source;

/// The floors from the ground up, each with what it may use.
const FLOORS: &[(&str, &[&str])] = &[
    ("scim", &[]),
    ("yaml", &[]),
    ("ldap", &["scim"]),
    ("net", &["scim"]),
    ("auth", &["scim", "yaml", "net"]),
    ("directory", &["scim", "ldap", "net"]),
    ("mapping", &["scim", "yaml", "ldap", "auth"]),
    (
        "telemetry",
        &["scim", "net", "auth", "directory", "mapping"],
    ),
    ("audit", &["net", "auth", "telemetry"]),
    (
        "config",
        &[
            "scim",
            "yaml",
            "ldap",
            "net",
            "auth",
            "directory",
            "mapping",
            "telemetry",
            "audit",
        ],
    ),
    (
        "gateway",
        &[
            "scim",
            "net",
            "auth",
            "directory",
            "mapping",
            "telemetry",
            "audit",
            "config",
        ],
    ),
    ("server", &["scim", "net", "telemetry", "config", "gateway"]),
    (
        "admin",
        &[
            "scim",
            // Findings about directories are told as findings in rule files.
            "yaml",
            "net",
            "auth",
            "directory",
            "mapping",
            "telemetry",
            "audit",
            "config",
            "gateway",
            "server",
        ],
    ),
    ("app", EVERYTHING_BELOW),
    ("demo", EVERYTHING_BELOW),
    ("cli", EVERYTHING_BELOW),
];

/// Stands for all floors further down.
const EVERYTHING_BELOW: &[&str] = &["*"];

/// Floors that take values and give values.
const PURE: &[&str] = &["scim", "ldap", "mapping"];

/// What a pure floor never names; the last parts of a path count as well as the first.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "hyper_util",
    "hyper_rustls",
    "tokio_rustls",
    "rustls",
    "notify",
    "tracing",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "SystemTime::now",
    "Instant::now",
];

/// Paths that only some places may name, by prefix: the door that keeps hyper in, and the places
/// that start tasks and threads.
const DOORS: &[(&str, &[&str])] = &[
    ("hyper::body::Incoming", &["net/", "server/", "demo/"]),
    ("hyper::client", &["net/", "demo/"]),
    ("hyper_util::client", &["net/", "demo/"]),
    ("hyper_rustls", &["net/", "demo/"]),
    ("tokio::spawn", SPAWNERS),
    ("tokio::task::spawn", SPAWNERS),
    ("tokio::task::spawn_local", SPAWNERS),
    ("tokio::task::spawn_blocking", SPAWNERS),
    ("std::thread::spawn", SPAWNERS),
    ("std::thread::Builder", SPAWNERS),
    ("thread::spawn", SPAWNERS),
    ("thread::Builder", SPAWNERS),
];

const SPAWNERS: &[&str] = &[
    "net/",
    "directory/",
    "telemetry",
    "audit/", // the thread that writes the trail
    "gateway/write.rs",
    "server/",
    "admin",
    "demo/",
    "app",
    "main.rs",
];

const LONGEST_FILE: usize = 600;

#[test]
fn no_edge_goes_up() {
    let faults: Vec<String> = sources().iter().flat_map(forbidden_edges).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn pure_floors_touch_nothing_outside() {
    let faults: Vec<String> = sources().iter().flat_map(impurities).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn doors_are_used_by_their_owners_only() {
    let faults: Vec<String> = sources().iter().flat_map(open_doors).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_file_opens_with_its_purpose_and_stays_short() {
    let faults: Vec<String> = sources().iter().flat_map(unkempt).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_table_is_the_module_list_in_its_order() {
    let library = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let listed: Vec<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let floors: Vec<&str> = FLOORS.iter().map(|(name, _)| *name).collect();
    assert_eq!(floors, listed, "FLOORS here and the modules of src/lib.rs");
    for (height, (name, uses)) in FLOORS.iter().enumerate() {
        for used in *uses {
            assert!(
                *used == "*" || floors[..height].contains(used),
                "`{name}` may not be allowed `{used}`: it is not further down"
            );
        }
    }
}

/// Edges out of a file that its floor does not allow.
fn forbidden_edges(source: &Source) -> Vec<String> {
    let Some(floor) = source.modules().first().cloned() else {
        return Vec::new(); // lib.rs and main.rs
    };
    let Some(height) = FLOORS.iter().position(|(name, _)| *name == floor) else {
        return vec![format!("{}: `{floor}` is on no floor", source.name())];
    };
    let allowed = FLOORS[height].1;
    let mut faults = Vec::new();
    for path in source.paths() {
        let Some(target) = source.within_crate(path) else {
            continue;
        };
        let fault = match target.first().map(String::as_str) {
            None => continue, // `pub(crate)`
            Some("*" | "self") => "names the whole crate; name a module".to_owned(),
            Some(used) if used == floor => continue,
            Some(used) => match FLOORS.iter().position(|(name, _)| *name == used) {
                None => format!("uses `{used}`, which is on no floor"),
                Some(other) if other > height => format!("goes up from `{floor}` to `{used}`"),
                Some(_) if allowed == EVERYTHING_BELOW || allowed.contains(&used) => continue,
                Some(_) => format!("`{floor}` may not use `{used}`"),
            },
        };
        faults.push(format!(
            "{}:{}: {} {fault}",
            source.name(),
            path.line,
            path.segments.join("::")
        ));
    }
    faults
}

fn impurities(source: &Source) -> Vec<String> {
    let pure = source
        .modules()
        .first()
        .is_some_and(|floor| PURE.contains(&floor.as_str()));
    if !pure {
        return Vec::new();
    }
    source
        .paths()
        .iter()
        .filter(|path| IMPURE.iter().any(|banned| path.names(banned)))
        .map(|path| {
            format!(
                "{}:{}: {} in a pure floor",
                source.name(),
                path.line,
                path.segments.join("::")
            )
        })
        .collect()
}

fn open_doors(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (door, owners) in DOORS {
        let inside = source.name().trim_start_matches("src/");
        if owners.iter().any(|owner| inside.starts_with(owner)) {
            continue;
        }
        for path in source.paths().iter().filter(|path| path.names(door)) {
            faults.push(format!(
                "{}:{}: `{door}` belongs to {}",
                source.name(),
                path.line,
                owners.join(", ")
            ));
        }
    }
    faults
}

fn unkempt(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if !source.text().starts_with("//!") {
        faults.push(format!(
            "{}:1: does not open with `//!` and what it is",
            source.name()
        ));
    }
    let lines = source.text().lines().count();
    if lines > LONGEST_FILE {
        faults.push(format!(
            "{}:{lines}: longer than {LONGEST_FILE} lines; split it by concept",
            source.name()
        ));
    }
    faults
}

/// Every file under `src/` that is not test code as a whole.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources were not found");
    let all: Vec<Source> = files
        .iter()
        .map(|file| {
            let name = file.strip_prefix(root()).unwrap().display().to_string();
            Source::read(name, std::fs::read_to_string(file).unwrap())
        })
        .collect();
    let of_tests: Vec<String> = all.iter().flat_map(Source::files_of_tests).collect();
    all.into_iter()
        .filter(|source| {
            let beneath = |name: &String| {
                let folder = name.trim_end_matches(".rs");
                source
                    .name()
                    .strip_prefix(folder)
                    .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            };
            !of_tests.iter().any(beneath)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rules themselves can fail: each is shown something that breaks it.
mod rules {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source::read(name.to_owned(), text.to_owned())
    }

    #[test]
    fn an_edge_up_is_found_with_its_line() {
        let source = source(
            "src/scim/filter.rs",
            "//! x\nuse crate::gateway::Gateway;\n",
        );
        let faults = forbidden_edges(&source);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].starts_with("src/scim/filter.rs:2: "),
            "{faults:?}"
        );
        assert!(faults[0].contains("goes up"), "{faults:?}");
    }

    #[test]
    fn an_edge_down_that_is_not_in_the_table_is_found() {
        let source = source(
            "src/mapping/plan.rs",
            "use crate::{directory::Ask, scim::Filter};",
        );
        assert_eq!(
            forbidden_edges(&source),
            ["src/mapping/plan.rs:1: crate::directory::Ask `mapping` may not use `directory`"]
        );
    }

    #[test]
    fn an_edge_by_super_or_in_an_expression_is_found() {
        let by_super = source("src/scim/parse.rs", "use super::super::net::Body;");
        assert_eq!(forbidden_edges(&by_super).len(), 1);
        let inline = source("src/directory/http.rs", "fn f() { crate::auth::x() }");
        assert_eq!(forbidden_edges(&inline).len(), 1);
        let glob = source("src/scim/parse.rs", "use crate::*;");
        assert_eq!(forbidden_edges(&glob).len(), 1);
        let visible = source("src/scim/parse.rs", "pub(crate) fn f() {}");
        assert_eq!(forbidden_edges(&visible), [""; 0]);
        let sibling = source("src/scim/parse.rs", "use super::name::AttrName;");
        assert_eq!(forbidden_edges(&sibling), [""; 0]);
    }

    #[test]
    fn comments_strings_and_tests_do_not_count() {
        let text = r##"
            // crate::gateway
            /* crate::gateway /* nested */ crate::gateway */
            /// [`crate::gateway::Gateway`]
            const A: &str = "crate::gateway \" crate::gateway";
            const B: &str = r#"crate::gateway "quoted" "#;
            const C: char = '"'; const D: &[u8] = b"crate::gateway"; const E: char = '\'';
            fn f<'a>(x: &'a str) {}
            #[cfg(test)]
            mod tests {
                use crate::gateway::Gateway;
                fn g() { if true { crate::app::x() } }
            }
        "##;
        assert_eq!(forbidden_edges(&source("src/scim/x.rs", text)), [""; 0]);
        let after = format!("{text}\nuse crate::gateway::Gateway;");
        assert_eq!(forbidden_edges(&source("src/scim/x.rs", &after)).len(), 1);
    }

    #[test]
    fn impurity_is_found_in_groups_and_in_calls() {
        let text = "use std::{fmt, fs};\nuse std::time::SystemTime;\nfn f() { SystemTime::now(); }";
        let faults = impurities(&source("src/mapping/x.rs", text));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(impurities(&source("src/config/x.rs", text)), [""; 0]);
    }

    #[test]
    fn a_door_that_belongs_to_another_is_found() {
        let text = "use hyper::body::{Bytes, Incoming};";
        assert_eq!(open_doors(&source("src/gateway/mod.rs", text)).len(), 1);
        assert_eq!(open_doors(&source("src/net/body.rs", text)), [""; 0]);
    }

    #[test]
    fn a_file_without_purpose_or_too_long_is_found() {
        assert_eq!(unkempt(&source("src/x.rs", "use std::fmt;")).len(), 1);
        let long = format!("//! x\n{}", "\n".repeat(LONGEST_FILE + 1));
        assert_eq!(unkempt(&source("src/x.rs", &long)).len(), 1);
    }

    #[test]
    fn a_module_of_tests_in_a_file_of_its_own_is_set_aside() {
        let source = source("src/scim/mod.rs", "#[cfg(test)]\nmod support;\nmod name;");
        assert_eq!(
            source.files_of_tests(),
            ["src/scim/support.rs", "src/scim/support/mod.rs"]
        );
    }
}
