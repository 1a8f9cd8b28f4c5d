//! `postern check`: every file as `serve` would read it, and what each mapping keeps; where that is
//! asked for, the rules against their directories; or what a sample request would do there.

mod online;
mod rehearse;
mod told;

use std::fmt::Write as _;

use super::{CliError, ConfigFile};
use crate::config::file::Config;
use crate::config::headers;
use crate::config::load::{load, mistakes};
use crate::config::{Snapshot, Tenant, measure, trail};
use crate::mapping::Harm;
use crate::mapping::kind::Class;
use crate::yaml::{Diagnostics, Severity};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    postern check --online\n  \
    postern check --request 'PATCH /corp/scim/v2/Users/597ae2f6-16a6-1027-98f4-d28b5365dc14' --body change.json\n  \
    postern check --request 'GET /corp/scim/v2/Users?filter=userName eq \"jensen\"' --entries people.ldif\n  \
    postern check --online --request 'POST /corp/scim/v2/Users' --body new.json\n\n\
    With --request, what is printed is LDIF: ldapmodify takes it as it is. Nothing is ever written.\n\n\
    Exit codes: 0 no errors, 1 errors were found or the request would be refused, 64 wrong usage.")]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Print findings only, not the table of mappings
    #[arg(long, short)]
    quiet: bool,
    /// Connect to every directory with the rule's credentials, and report as errors where the rule
    /// does not fit it. Nothing is written
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    sample: rehearse::Sample,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let path = &arguments.file.config;
    let config = Config::load(path).map_err(|found| mistakes(path, found));
    let loaded = config.and_then(|config| match (beside(&config), load(&config)) {
        (Ok(()), loaded) => Ok((loaded?, config)),
        (Err(mut found), loaded) => {
            found.extend(loaded.err().unwrap_or_default());
            Err(found)
        }
    });
    match loaded {
        Ok((loaded, config)) if arguments.sample.is_given() => {
            super::tell(&super::rendered(&loaded.warnings));
            let online = arguments.online;
            rehearse::run(&loaded.snapshot, &config, &arguments.sample, online)
        }
        Ok((loaded, _)) => {
            super::tell(&super::rendered(&loaded.warnings));
            if !arguments.quiet {
                super::print(&report(&loaded.snapshot))?;
            }
            let mut warnings = loaded.warnings.iter().count();
            if arguments.online {
                let found = online::ask(&loaded.snapshot)?;
                if errors(&found) > 0 {
                    return Err(failed(&found));
                }
                super::tell(&super::rendered(&found));
                warnings += found.iter().count();
            }
            let plural = if warnings == 1 { "" } else { "s" };
            super::tell(&format!("no errors, {warnings} warning{plural}\n"));
            Ok(())
        }
        Err(found) => Err(failed(&found)),
    }
}

/// All findings, and how many of them are errors.
fn failed(found: &Diagnostics) -> CliError {
    let errors = errors(found);
    let plural = if errors == 1 { "" } else { "s" };
    CliError::failed(format!("{}{errors} error{plural}", super::rendered(found)))
}

fn errors(found: &Diagnostics) -> usize {
    let errors = found.iter().filter(|d| d.severity == Severity::Error);
    errors.count()
}

/// The files that only the program itself needs.
fn beside(config: &Config) -> Result<(), Diagnostics> {
    let mut found = Diagnostics::default();
    found.extend(headers::check(config).err().unwrap_or_default());
    found.extend(trail::secret(config).err().unwrap_or_default());
    if found.has_errors() {
        Err(found)
    } else {
        Ok(())
    }
}

/// What each line of each rule keeps of what is sent.
fn report(snapshot: &Snapshot) -> String {
    let mut tenants: Vec<_> = snapshot.tenants().collect();
    tenants.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for tenant in tenants {
        tenant_report(tenant, &mut text);
    }
    text
}

fn tenant_report(tenant: &Tenant, text: &mut String) {
    let _ = writeln!(text, "tenant {} at {}", tenant.name, tenant.url);
    let mut rows = Vec::new();
    for line in tenant.plan.lines() {
        let class = match line.class {
            Class::Lossless => "lossless".to_owned(),
            Class::Canonical => "canonical".to_owned(),
            Class::OneWay => "one-way".to_owned(),
            Class::Lossy(reason) => format!("lossy: {reason}"),
        };
        rows.push([
            line.resource.to_string(),
            format!("line {}", line.number),
            line.scim.to_owned(),
            line.target.to_owned(),
            line.kind.to_owned(),
            class,
        ]);
    }
    let widths: Vec<usize> = (0..5)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in rows {
        let mut out = String::from("  ");
        for (cell, width) in row.iter().zip(widths.iter().copied().chain([0])) {
            let _ = write!(out, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", out.trim_end());
    }
    guard_report(tenant, text);
    text.push('\n');
}

/// What the guard lets through, and what is protected.
fn guard_report(tenant: &Tenant, text: &mut String) {
    let plan = &tenant.plan;
    if let Some(guard) = plan.guard() {
        let window = measure::print_duration(guard.window);
        for harm in Harm::ALL {
            if let Some(limit) = guard.limit(harm) {
                let harm = harm.as_str();
                let _ = writeln!(
                    text,
                    "  guard: {harm} at most {limit} of a type in {window}"
                );
            }
        }
    }
    for resource in plan.protected_types() {
        let Some(rule) = plan.protection(resource) else {
            continue;
        };
        let filter = rule.text().map(|filter| format!("those with {filter}"));
        let ids = match rule.ids.len() {
            0 => None,
            1 => Some("1 by id".to_owned()),
            many => Some(format!("{many} by id")),
        };
        let both: Vec<_> = filter.into_iter().chain(ids).collect();
        let _ = writeln!(text, "  protect: {resource}: {}", both.join("; "));
    }
}
