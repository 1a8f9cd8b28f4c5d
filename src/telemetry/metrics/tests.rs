//! What is counted is shown, once, under the right name.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::mapping::{Event, Witness as _};
use crate::scim::accent::Accent;

fn text(metrics: &Metrics) -> String {
    metrics.render(&Scene::default())
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(
        text.lines().any(|known| known == line),
        "no {line} in\n{text}"
    );
}

#[test]
fn what_was_counted_is_rendered_with_its_labels() {
    let metrics = Metrics::new();
    let corp = metrics.tenant("corp");
    let create = Some(OperationKind::Create);
    corp.answered(Some("User"), create, Outcome::Ok, Duration::from_millis(20));
    metrics
        .nobody()
        .answered(None, None, Outcome::Failed(Fault::Client), Duration::ZERO);
    metrics.truncated();
    corp.denied(Denial::Role);
    let mut counters = Counters::new(Arc::clone(&corp));
    counters.saw(Event::Accent(Accent::OpCase));
    counters.saw(Event::Dropped {
        attribute: "secretColour",
        inbound: true,
    });
    counters.saw(Event::Undecodable { line: 7 });
    let text = text(&metrics);
    for line in [
        r#"postern_requests_total{operation="create",outcome="ok",resource="User",tenant="corp"} 1"#,
        r#"postern_requests_total{operation="-",outcome="client",resource="-",tenant="-"} 1"#,
        r#"postern_request_duration_seconds_bucket{operation="create",tenant="corp",le="0.025"} 1"#,
        r#"postern_request_duration_seconds_bucket{operation="create",tenant="corp",le="0.01"} 0"#,
        r#"postern_accents_total{kind="op_case",tenant="corp"} 1"#,
        r#"postern_attributes_dropped_total{direction="request",tenant="corp"} 1"#,
        r#"postern_values_undecodable_total{line="7",tenant="corp"} 1"#,
        r#"postern_authorization_denials_total{reason="role",tenant="corp"} 1"#,
        r#"postern_authentication_failures_total{reason="expired"} 0"#,
        "postern_lists_truncated_total 1",
        "postern_requests_shed_total 0",
    ] {
        has(&text, line);
    }
    assert!(!text.contains("secretColour"));
    assert!(
        !text.contains("postern_directory_duration_seconds"),
        "nobody asked it"
    );
}

#[test]
fn every_accent_has_its_own_series() {
    let metrics = Metrics::new();
    let corp = metrics.tenant("corp");
    for (times, accent) in (1..).zip(Accent::ALL) {
        for _ in 0..times {
            corp.accent(accent);
        }
    }
    let text = text(&metrics);
    for (times, accent) in (1..).zip(Accent::ALL) {
        let kind = accent.as_str();
        has(
            &text,
            &format!(r#"postern_accents_total{{kind="{kind}",tenant="corp"}} {times}"#),
        );
    }
}

#[test]
fn an_edit_keeps_the_series_of_a_tenant_and_its_end_removes_them() {
    let metrics = Metrics::new();
    let old = metrics.tenant("corp");
    old.write_conflict();
    metrics.tenant("other").write_conflict();
    metrics.tenant("corp").write_conflict();
    has(
        &text(&metrics),
        r#"postern_write_conflicts_total{tenant="corp"} 2"#,
    );
    metrics.keep_only(["other"]);
    // A request that is still under way.
    old.write_conflict();
    let after = text(&metrics);
    assert!(!after.contains("corp"), "{after}");
    has(&after, r#"postern_write_conflicts_total{tenant="other"} 1"#);
    metrics.tenant("corp").write_conflict();
    has(
        &text(&metrics),
        r#"postern_write_conflicts_total{tenant="corp"} 1"#,
    );
}

#[test]
fn names_that_run_into_one_another_are_kept_apart() {
    let metrics = Metrics::new();
    // The crate's own vectors hash label values one after the other without a mark between.
    Counters::new(metrics.tenant("corp")).saw(Event::Undecodable { line: 11 });
    Counters::new(metrics.tenant("corp1")).saw(Event::Undecodable { line: 1 });
    let text = text(&metrics);
    has(
        &text,
        r#"postern_values_undecodable_total{line="11",tenant="corp"} 1"#,
    );
    has(
        &text,
        r#"postern_values_undecodable_total{line="1",tenant="corp1"} 1"#,
    );
}

#[test]
fn reloads_say_what_serves_and_since_when() {
    let metrics = Metrics::new();
    assert!(!text(&metrics).contains("postern_config_info"));
    metrics.serves("abc");
    metrics.serves("def");
    metrics.reloaded("rules", true, UNIX_EPOCH + Duration::from_secs(7));
    metrics.reloaded("rules", false, UNIX_EPOCH + Duration::from_secs(8));
    metrics.reloaded("no such source", false, UNIX_EPOCH);
    let text = text(&metrics);
    for line in [
        r#"postern_config_info{revision="def"} 1"#,
        r#"postern_config_reloads_total{result="success",source="rules"} 1"#,
        r#"postern_config_reloads_total{result="failure",source="rules"} 1"#,
        r#"postern_config_reloads_total{result="failure",source="tls"} 0"#,
        r#"postern_config_last_reload_successful{source="rules"} 0"#,
        r#"postern_config_last_reload_success_timestamp_seconds{source="rules"} 7"#,
    ] {
        has(&text, line);
    }
    assert!(!text.contains("abc") && !text.contains("no such source"));
}
