//! The rules against what their directories say of themselves: when one is first there, and every
//! ten minutes. What does not fit is told in the log once, and stands in `/status` and the metrics;
//! it stops nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use crate::config::{Live, Snapshot, Tenant};
use crate::directory::{Ask, Finding, Health, Weight};
use crate::yaml::Severity;

/// The inspection at work; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Inspection(JoinHandle<()>);

/// One tenant.
struct Rule {
    tenant: Arc<Tenant>,
    /// What was told last.
    told: Option<Arc<[Finding]>>,
    asking: bool,
    due: Instant,
}

impl Inspection {
    /// Begins, on the runtime of the caller, over what `live` holds from one moment to the next.
    pub(super) fn begin(live: Arc<Live>) -> Self {
        Self(tokio::spawn(keep(live)))
    }
}

impl Drop for Inspection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(live: Arc<Live>) {
    let mut changes = live.changes();
    let mut rules = HashMap::new();
    let mut asked = JoinSet::new();
    follow(&live.current(), &mut rules, Instant::now());
    loop {
        let now = Instant::now();
        for (name, rule) in &mut rules {
            if asked.len() < AT_A_TIME && rule.is_due(now) {
                rule.asking = true;
                let (name, tenant) = (Arc::clone(name), Arc::clone(&rule.tenant));
                asked.spawn(async move {
                    let looked = look(&tenant).await;
                    (name, tenant, looked)
                });
            }
        }
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                follow(&live.current(), &mut rules, Instant::now());
            }
            Some(done) = asked.join_next() => {
                // One that panicked is not looked at again before its rule changes.
                let Ok((name, tenant, looked)) = done else { continue };
                let same = |rule: &&mut Rule| Arc::ptr_eq(&rule.tenant, &tenant);
                if let Some(rule) = rules.get_mut(&name).filter(same) {
                    rule.looked(looked, Instant::now());
                }
            }
            () = tokio::time::sleep(GLANCE) => {}
        }
    }
}

/// Takes up the tenants that are new or another, and lets go of those that are gone. What was told
/// of a rule is told again only where it is another.
fn follow(snapshot: &Snapshot, rules: &mut HashMap<Arc<str>, Rule>, now: Instant) {
    let mut before = std::mem::take(rules);
    for tenant in snapshot.tenants() {
        let name: Arc<str> = tenant.name.as_str().into();
        let known = before.remove(&name);
        let rule = match known {
            Some(rule) if Arc::ptr_eq(&rule.tenant, tenant) => rule,
            other => Rule {
                tenant: Arc::clone(tenant),
                told: other.and_then(|rule| rule.told),
                asking: false,
                due: now,
            },
        };
        rules.insert(name, rule);
    }
}

/// Whether it could be looked at.
async fn look(tenant: &Tenant) -> bool {
    let ask = Ask {
        request_id: "inspection".into(),
        traceparent: None,
        deadline: Instant::now() + PATIENCE,
    };
    // A driver keeps the deadline; this one is for a driver that does not.
    let looked = tokio::time::timeout(PATIENCE * 2, tenant.directory.examine(&ask)).await;
    matches!(looked, Ok(Ok(())))
}

impl Rule {
    /// Whether to look now. The vigil knows when the directory is there.
    fn is_due(&self, now: Instant) -> bool {
        !self.asking && self.due <= now && self.tenant.directory.health() == Health::Up
    }

    fn looked(&mut self, whole: bool, now: Instant) {
        self.asking = false;
        self.due = now + if whole { PAUSE } else { AGAIN };
        let Some(found) = self.tenant.directory.findings().filter(|_| whole) else {
            return;
        };
        self.tell(&found);
        self.told = Some(found);
    }

    /// What is new, one line each.
    fn tell(&self, found: &[Finding]) {
        let tenant = self.tenant.name.as_str();
        for finding in new(self.told.as_deref().unwrap_or_default(), found) {
            let text = self.tenant.diagnose(finding, Severity::Warning).one_line();
            match finding.weight {
                Weight::Warning => warn!(tenant, "the rule does not fit its directory: {text}"),
                Weight::Note => info!(tenant, "the directory: {text}"),
            }
        }
        if self.told.as_deref().is_some_and(fails) && !fails(found) {
            info!(tenant, "the rule fits its directory again");
        }
    }
}

/// The findings that were not there before.
fn new<'f>(before: &[Finding], now: &'f [Finding]) -> Vec<&'f Finding> {
    let same = |one: &Finding, other: &Finding| {
        // A line that moved is not another finding.
        one.message == other.message && one.word == other.word
    };
    let known = |one: &&Finding| before.iter().any(|other| same(one, other));
    now.iter().filter(|one| !known(one)).collect()
}

fn fails(found: &[Finding]) -> bool {
    found.iter().any(|one| one.weight == Weight::Warning)
}

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(600);
/// The same where the directory did not answer to the end.
const AGAIN: Duration = Duration::from_secs(30);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is seen whether a directory has come up.
const GLANCE: Duration = Duration::from_secs(1);
/// So many are looked at at a time: a schema is a large answer.
const AT_A_TIME: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_told_again() {
        let finding = |line, word: &str, text: &str| Finding::warning(line, word, text.into(), "");
        let before = [finding(3, "cn", "a"), finding(4, "sn", "a")];
        let now = [
            finding(9, "cn", "a"),
            finding(9, "cn", "b"),
            finding(9, "uid", "a"),
        ];
        let told = new(&before, &now);
        assert_eq!(told, [&now[1], &now[2]]);
        assert!(new(&now, &now).is_empty());
    }
}
