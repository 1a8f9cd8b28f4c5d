//! The folder of the sync rules: every file in it compiled, and what of it stands beside them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::apart::clash;
use super::digest::{Digest, Digesting};
use super::find::about;
use super::folder::{Bytes, Look, parent};
use super::named::{Files, named_by};
use super::read::text;
use super::tenants::Made;
use crate::auth::TenantName;
use crate::directory::{Layout, Place};
use crate::mapping::Plan;
use crate::mapping::ruleset::{Backend, Ruleset};
use crate::yaml::{Diagnostics, MAX_FILE, Source};

/// One rule file, compiled: all of a tenant but its directory.
pub(super) struct Rule {
    pub(super) name: TenantName,
    pub(super) source: Source,
    pub(super) url: Arc<str>,
    pub(super) path: Arc<str>,
    pub(super) hosts: Vec<Arc<str>>,
    pub(super) plan: Arc<Plan>,
    pub(super) layout: Arc<Layout>,
    pub(super) backend: Backend,
    warnings: Diagnostics,
}

/// What the folder holds. Files that a rule names and that stand in the same folder are taken with
/// it or not at all.
pub(super) struct Rules {
    pub(super) folder: PathBuf,
    /// Those that could be read, in the order of their names.
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) beside: Files,
    /// Of the rule files alone. (A hash that secrets go into must not be shown.)
    pub(super) texts: Digest,
}

/// One look at the folder.
pub(super) struct Seen {
    pub(super) digest: Digest,
    pub(super) rules: Rules,
    pub(super) errors: Diagnostics,
}

/// What became of rule files that were read before: compiling is the dear part.
#[derive(Default)]
pub(super) struct Compiled {
    known: HashMap<(PathBuf, Digest), Result<Arc<Rule>, Diagnostics>>,
    /// What the last look at the folder found.
    used: HashSet<(PathBuf, Digest)>,
}

/// Reads the folder.
pub(super) fn look_at(folder: &Path, look: &mut Look, compiled: &mut Compiled) -> Seen {
    compiled.used.clear();
    let mut errors = Diagnostics::default();
    let mut texts = Digesting::default();
    let mut rules: Vec<Arc<Rule>> = Vec::new();
    let names = match look.names(folder, is_rule) {
        Ok(names) => names,
        Err(error) => {
            let message = format!("the folder of the rules cannot be read: {error}");
            texts.read::<Bytes>("", &Err(error));
            errors.push(about(folder, message).help(HELP));
            Vec::new()
        }
    };
    if names.is_empty() && !errors.has_errors() {
        errors.push(about(folder, "the folder holds no rule file").help(HELP));
    }
    for name in names {
        let path = folder.join(&name);
        let read = look.file(&path, MAX_FILE);
        let mut one = Digesting::default();
        one.read("", &read);
        let digest = one.finish();
        texts.part(&name.to_string_lossy(), digest);
        match compiled.rule(path, digest, read) {
            Err(found) => errors.extend(found),
            Ok(rule) => match clash(&rule, &rules) {
                Some(finding) => errors.push(finding),
                None => rules.push(rule),
            },
        }
    }
    let mut beside = Files::default();
    for path in rules.iter().flat_map(|rule| named_by(rule, folder)) {
        if parent(&path) == folder {
            beside.read(path, look);
        }
    }
    let texts = texts.finish();
    let mut all = Digesting::default();
    all.part("texts", texts);
    all.part("beside", beside.digest());
    Seen {
        digest: all.finish(),
        rules: Rules {
            folder: folder.to_owned(),
            rules,
            beside,
            texts,
        },
        errors,
    }
}

impl Rules {
    /// What was found that stops nothing.
    pub(super) fn warnings(&self) -> Diagnostics {
        let mut all = Diagnostics::default();
        for rule in &self.rules {
            all.extend(rule.warnings.clone());
        }
        all
    }
}

impl Compiled {
    fn rule(
        &mut self,
        path: PathBuf,
        digest: Digest,
        read: io::Result<Bytes>,
    ) -> Result<Arc<Rule>, Diagnostics> {
        let key = (path, digest);
        self.used.insert(key.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let help =
            "bring it back, or take its name out of the folder: a link to nothing is a tenant lost";
        let read = read.map(|mut bytes| std::mem::take(&mut *bytes));
        let rule = text(&key.0, help, read).and_then(|source| compile(source).map(Arc::new));
        self.known.insert(key, rule.clone());
        rule
    }

    /// Forgets what the last look did not find and what does not serve. To be called after each:
    /// a file that somebody writes to is another one every time.
    pub(super) fn tidy(&mut self, serving: &[Made]) {
        let serving: HashSet<_> = serving.iter().map(|made| Arc::as_ptr(&made.rule)).collect();
        let used = &self.used;
        self.known.retain(|key, rule| {
            let serves = rule
                .as_ref()
                .is_ok_and(|rule| serving.contains(&Arc::as_ptr(rule)));
            serves || used.contains(key)
        });
    }
}

fn compile(source: Source) -> Result<Rule, Diagnostics> {
    let (ruleset, mut warnings) = Ruleset::read(&source)?;
    let (plan, more) = Plan::compile(&ruleset).map_err(|found| {
        let mut all = warnings.clone();
        all.extend(found);
        all
    })?;
    warnings.extend(more);
    let place = |rule: &crate::mapping::ruleset::TypeRule| Place {
        resource: rule.name.clone(),
        endpoint: rule.entry.path.as_str().into(),
        id: rule.entry.id.as_str().into(),
    };
    Ok(Rule {
        name: TenantName::from(ruleset.name.as_str()),
        url: Arc::clone(&ruleset.tenant_url.text),
        path: ruleset.tenant_url.path.as_str().into(),
        hosts: ruleset.hosts.iter().map(|h| h.as_str().into()).collect(),
        plan: Arc::new(plan),
        layout: Arc::new(Layout {
            types: ruleset.types.iter().map(place).collect(),
        }),
        backend: ruleset.backend,
        warnings,
        source,
    })
}

/// `NAME.yaml`, unless it is hidden.
fn is_rule(name: &OsStr) -> bool {
    let ending = Path::new(name).extension();
    let hidden = name.as_encoded_bytes().starts_with(b".");
    !hidden && ending.is_some_and(|ending| ending == "yaml" || ending == "yml")
}

const HELP: &str = "put one file `NAME.yaml` for each tenant there; `rules:` names the folder";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_looks_leave_behind_does_not_grow() {
        let folder = std::env::temp_dir().join(format!("postern-looks-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut compiled = Compiled::default();
        for round in 0..3 {
            fs::write(folder.join("a.yaml"), format!("round: {round}\n")).unwrap();
            for _ in 0..3 {
                let mut look = Look::new(None);
                let seen = look_at(&folder, &mut look, &mut compiled);
                assert!(seen.errors.has_errors());
            }
            assert_eq!(compiled.used.len(), 1);
            compiled.tidy(&[]);
            assert_eq!(compiled.known.len(), 1);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
