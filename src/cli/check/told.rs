//! A rehearsal as text: LDIF that `ldapmodify` takes as it is, everything else in comments.

use std::fmt::Write as _;

use http::StatusCode;

use crate::directory::ldap::control;
use crate::directory::ldap::ldif::{Ldif, comment};
use crate::directory::ldap::rehearsal::in_words;
use crate::directory::ldap::{Act, Code, Control, Deed, Rehearsal, Scene, Scope, Search};
use crate::mapping::is_secret;

/// What is told of a rehearsal.
pub(super) struct Told<'a> {
    pub(super) request: String,
    pub(super) tenant: &'a str,
    pub(super) account: &'a str,
    pub(super) scene: &'a Scene,
    pub(super) acts: Vec<Act>,
    /// The names of the entries that were made up.
    pub(super) made_up: Vec<String>,
    /// Why the real directory could not be asked.
    pub(super) failure: Option<String>,
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) body: &'a [u8],
}

/// The whole text.
pub(super) fn told(about: &Told<'_>, rehearsal: &Rehearsal) -> String {
    let mut text = head(about);
    let ldif = Ldif::hiding(|name| is_secret(name) || rehearsal.is_secret(name));
    for (index, act) in about.acts.iter().enumerate() {
        let _ = writeln!(text, "\n# {}: {}", index + 1, act.what);
        text.push_str(&deed(act, &ldif));
    }
    if about.acts.is_empty() {
        text.push_str("\n# the directory is asked nothing\n");
        if about.status == StatusCode::NOT_FOUND {
            for (resource, example) in rehearsal.ids() {
                let _ = writeln!(text, "#   an id of a {resource} is like {example}");
            }
        }
    }
    answer(about, &mut text);
    text
}

fn head(about: &Told<'_>) -> String {
    let Told {
        request,
        tenant,
        account,
        ..
    } = about;
    let mut text = format!("# {request}\n# tenant {tenant}, account {account}\n");
    let scene = match about.scene {
        Scene::Real => "rehearsed: what is read comes from the directory, nothing is written to it",
        Scene::Given(_) => "rehearsed with the entries given; the directory is not asked",
        Scene::MadeUp => "rehearsed without any entries; the directory is not asked",
    };
    let _ = writeln!(text, "# {scene}");
    for name in &about.made_up {
        // A name may hold anything; in a comment it has one line.
        let _ = writeln!(
            text,
            "# made up, to have something to work on: {}",
            flat(name)
        );
    }
    if let Some(why) = &about.failure {
        let _ = writeln!(text, "# the directory could not be asked: {}", flat(why));
    }
    text
}

/// What was asked, and how it ended.
fn deed<F: Fn(&str) -> bool>(act: &Act, ldif: &Ldif<F>) -> String {
    let refused = !act.code_is_fine();
    let mut text = String::new();
    match &act.deed {
        Deed::Search(search, found) => searched(search, *found, &mut text),
        Deed::Compare(dn, attribute, _) => {
            let dn = flat(&dn.to_string());
            let _ = writeln!(text, "# compare dn={dn} attribute={attribute}");
            let is = act.code == Code::COMPARE_TRUE;
            let _ = writeln!(text, "#   it is{} there", if is { "" } else { " not" });
        }
        Deed::Write(write, controls) => {
            for words in controls.iter().filter_map(in_words) {
                let _ = writeln!(text, "#   {}", flat(&words));
            }
            // What is only told changes nothing.
            let tells = [control::PRE_READ, control::POST_READ];
            let kept = |control: &&Control| !tells.contains(&&*control.oid);
            let controls: Vec<Control> = controls.iter().filter(kept).cloned().collect();
            let record = ldif.write(write, &controls);
            text.push_str(&if refused { comment(&record) } else { record });
        }
        Deed::Password(dn, length) => {
            text.push_str(
                "# password modify (RFC 3062), which LDIF cannot say: ldappasswd does it\n",
            );
            let _ = writeln!(text, "#   dn: {}", flat(dn));
            let _ = writeln!(text, "#   new password: (secret, {length} characters)");
        }
        Deed::Extended(oid) => {
            let _ = writeln!(text, "# extended operation {oid}");
        }
    }
    if refused {
        let _ = writeln!(text, "#   answered {}", act.code);
    }
    text
}

fn searched(search: &Search, found: usize, text: &mut String) {
    let scope = match search.scope {
        Scope::Base => "base",
        Scope::One => "one",
        Scope::Sub => "sub",
    };
    let base = flat(&search.base.to_string());
    let _ = writeln!(text, "# search base={base} scope={scope}");
    let _ = writeln!(text, "#   filter={}", flat(&search.filter.to_string()));
    let attributes = match search.attributes.as_slice() {
        [] => "1.1".to_owned(),
        names => names.join(" "),
    };
    let _ = writeln!(text, "#   attributes={attributes}");
    let entries = if found == 1 { "entry" } else { "entries" };
    let _ = writeln!(text, "#   {found} {entries}");
}

fn answer(about: &Told<'_>, text: &mut String) {
    let status = about.status;
    let reason = status.canonical_reason().unwrap_or_default();
    let _ = writeln!(
        text,
        "\n# the client would get: {} {reason}",
        status.as_u16()
    );
    if let Some(location) = &about.location {
        let _ = writeln!(text, "# Location: {}", flat(location));
    }
    if about.body.is_empty() {
        return;
    }
    let value: Option<serde_json::Value> = serde_json::from_slice(about.body).ok();
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let pretty = pretty.unwrap_or_else(|| String::from_utf8_lossy(about.body).into_owned());
    let all = pretty.lines().count();
    for line in pretty.lines().take(MOST_LINES) {
        let _ = writeln!(text, "# {}", flat(line));
    }
    if all > MOST_LINES {
        let _ = writeln!(text, "# … and {} lines more", all - MOST_LINES);
    }
}

/// In one line, whatever it holds.
fn flat(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '?' } else { c };
    text.chars().map(visible).collect()
}

/// More of an answer is not shown.
const MOST_LINES: usize = 400;
