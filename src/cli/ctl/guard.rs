//! `postern ctl guard`: what the guards of tenants have counted, and leave to do more.

use std::fmt::Write as _;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::reach::Listener;
use super::{CliError, SHORT, expect, page, read};
use crate::config::measure;
use crate::mapping::Harm;
use crate::net::Body;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Let a tenant do more than its guard allows, for a while or so often
    Release {
        /// The tenant: the name of its rule file without the ending
        tenant: String,
        /// Only this: `delete`, `disable` or `empty` [default: all that the guard counts]
        #[arg(long, value_name = "EFFECT", value_parser = effect)]
        effect: Option<&'static str>,
        /// How long: `30m`, `2h`; at most 168h
        #[arg(long = "for", value_name = "TIME", value_parser = time, default_value = "1h")]
        time: Duration,
        /// How many more of each effect at most [default: no bound but the time]
        #[arg(long, value_name = "NUMBER")]
        most: Option<u64>,
    },
    /// End such a leave
    Hold {
        /// The tenant
        tenant: String,
        /// Only this: `delete`, `disable` or `empty` [default: all]
        #[arg(long, value_name = "EFFECT", value_parser = effect)]
        effect: Option<&'static str>,
    },
}

pub(super) fn run(listener: &Listener, command: Option<&Command>) -> Result<(), CliError> {
    match command {
        None => show(listener),
        Some(Command::Release {
            tenant,
            effect,
            time,
            most,
        }) => {
            let seconds = time.as_secs();
            let body = json!({
                "tenant": tenant, "effect": effect, "seconds": seconds, "most": most
            });
            order(listener, "/guard/release", tenant, &body)
        }
        Some(Command::Hold { tenant, effect }) => {
            let body = json!({"tenant": tenant, "effect": effect});
            order(listener, "/guard/hold", tenant, &body)
        }
    }
}

fn order(
    listener: &Listener,
    path: &'static str,
    tenant: &str,
    body: &Value,
) -> Result<(), CliError> {
    let body = Body::Full(body.to_string().into());
    let answer = listener.ask(Method::POST, path, body, SHORT)?;
    if answer.status == StatusCode::CONFLICT {
        let reason = String::from_utf8_lossy(&answer.body);
        let (tenant, reason) = (page::plain(tenant), page::plain(reason.trim_end()));
        return Err(CliError::failed(format!("error: {tenant}: {reason}")));
    }
    let text = expect(listener, answer, &[StatusCode::OK])?;
    let value: Value = serde_json::from_str(&text).map_err(|_| listener.foreign())?;
    let open = releases(&value);
    let tenant = page::plain(tenant);
    super::super::print(&if open.is_empty() {
        format!("the guard of {tenant} holds\n")
    } else {
        format!("the guard of {tenant} is released in this replica:\n{open}")
    })
}

fn show(listener: &Listener) -> Result<(), CliError> {
    let answer = listener.ask(Method::GET, "/status", Body::Empty, SHORT)?;
    let value = read(listener, &expect(listener, answer, &[StatusCode::OK])?)?;
    let mut out = String::new();
    for tenant in page::items(&value, "tenants") {
        let Some(guard) = tenant.get("guard").filter(|guard| guard.is_object()) else {
            continue;
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{}: window of {} s",
            page::text(tenant, "name"),
            page::text(guard, "window_seconds")
        );
        for limit in page::items(guard, "limits") {
            let (effect, most) = (page::text(limit, "effect"), page::text(limit, "limit"));
            let _ = writeln!(out, "  {effect}: at most {most}");
        }
        for count in page::items(guard, "counts") {
            let _ = write!(
                out,
                "  {} {}: {} of {} in the window, {} refused",
                page::text(count, "effect"),
                page::text(count, "resource"),
                page::text(count, "count"),
                page::text(count, "most"),
                page::text(count, "refused"),
            );
            if count.get("known_resources").is_some_and(Value::is_u64) {
                let _ = write!(
                    out,
                    "; of {} resources, as of {} s ago",
                    page::text(count, "known_resources"),
                    page::text(count, "known_age_seconds")
                );
            }
            out.push('\n');
        }
        out.push_str(&releases(guard));
    }
    if out.is_empty() {
        out.push_str("no tenant has a guard\n");
    }
    super::super::print(&out)
}

fn releases(value: &Value) -> String {
    let mut out = String::new();
    for release in page::items(value, "released") {
        let left = match release.get("left").and_then(Value::as_u64) {
            Some(left) => format!(", {left} more"),
            None => String::new(),
        };
        let (effect, ends) = (page::text(release, "effect"), page::text(release, "ends"));
        let by = page::text(release, "by");
        let _ = writeln!(out, "  {effect}: released until {ends}{left} (by {by})");
    }
    out
}

fn effect(text: &str) -> Result<&'static str, String> {
    let harm = Harm::named(text).ok_or("`delete`, `disable` or `empty`")?;
    Ok(harm.as_str())
}

fn time(text: &str) -> Result<Duration, String> {
    let wanted = "a time such as `30m` or `2h`, from 1s to 168h";
    let time = measure::duration(text).ok_or(wanted)?;
    let range = Duration::from_secs(1)..=Duration::from_secs(168 * 3_600);
    if range.contains(&time) {
        Ok(time)
    } else {
        Err(wanted.to_owned())
    }
}
