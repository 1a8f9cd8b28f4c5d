//! Every row of the table, printed.

use super::*;
use crate::auth::TenantName;
use crate::scim::json::JsonError;

/// One of every error that can be; what is missing here is found by eye, as the table itself
/// is exhaustive.
fn every_error() -> Vec<GatewayError> {
    let user: crate::scim::ResourceType = "User".parse().unwrap();
    let mut all = vec![
        GatewayError::Auth(AuthError::Missing),
        GatewayError::Auth(AuthError::Malformed),
        GatewayError::Auth(AuthError::Rejected(Rejection::Unknown)),
        GatewayError::Auth(AuthError::Rejected(Rejection::Expired)),
        GatewayError::Auth(AuthError::Rejected(Rejection::NotYet)),
        GatewayError::Auth(AuthError::Elsewhere {
            account: "okta".into(),
            key: "k1".into(),
        }),
        GatewayError::OverRate(7),
        GatewayError::Throttled(1),
        GatewayError::Auth(AuthError::Tenant {
            account: "okta".into(),
            tenant: TenantName::from("corp"),
        }),
        GatewayError::Auth(AuthError::Unmet {
            account: "hr-feed".into(),
            verb: VerbKind::Patch,
            resource: "User".parse().unwrap(),
        }),
        GatewayError::Auth(AuthError::Hidden {
            account: "hr-feed".into(),
            resource: "User".parse().unwrap(),
        }),
        GatewayError::Auth(AuthError::Forbidden {
            account: "okta".into(),
            verb: VerbKind::Delete,
            resource: user.clone(),
        }),
        GatewayError::SeveralAuthorizations,
        GatewayError::Path("has an empty segment"),
        GatewayError::Host("is missing"),
        GatewayError::Misdirected,
        GatewayError::NoTenant,
        GatewayError::NoEndpoint,
        GatewayError::NoSuchDefinition,
        GatewayError::Method("GET, POST"),
        GatewayError::MediaType,
        GatewayError::ContentEncoding,
        GatewayError::TooLarge(1_048_576),
        GatewayError::SlowBody,
        GatewayError::BrokenBody,
        GatewayError::Header("If-Match"),
        GatewayError::Json(JsonError {
            line: 3,
            column: 14,
            problem: "the name `userName` stands twice".to_owned(),
        }),
        GatewayError::Scim(ScimError::bad(ScimType::InvalidFilter, "at character 3: …")),
        GatewayError::FilterOnDiscovery,
        GatewayError::Me,
        GatewayError::NotBegun,
        GatewayError::BulkReference(BulkReference::Unknown("x".to_owned())),
        GatewayError::BulkReference(BulkReference::Failed("x".to_owned())),
        GatewayError::BulkReference(BulkReference::Circular),
        GatewayError::Mapping(MappingError::Refused(
            ScimType::InvalidValue,
            "`title` is not mapped".to_owned(),
        )),
        GatewayError::Mapping(MappingError::Forbidden(
            "the account may not change `title`".to_owned(),
        )),
        GatewayError::Mapping(MappingError::Malformed("no `id`".to_owned())),
        GatewayError::Mapping(MappingError::NoVersions),
        GatewayError::Mapping(MappingError::Changed),
        GatewayError::Nameless(user.clone()),
        GatewayError::Unrecorded,
        GatewayError::Contended,
        GatewayError::Unguarded,
        GatewayError::Shed,
        GatewayError::Deadline(false),
        GatewayError::Deadline(true),
        GatewayError::Panic,
    ];
    let directory = [
        DirectoryError::Refused {
            scim_type: Some(ScimType::InvalidValue),
            detail: Some("sn must not be empty".to_owned()),
        },
        DirectoryError::NotFound,
        DirectoryError::Conflict {
            scim_type: None,
            detail: None,
        },
        DirectoryError::Precondition,
        DirectoryError::Busy {
            status: 429,
            retry_after: Some(17),
        },
        DirectoryError::Busy {
            status: 503,
            retry_after: None,
        },
        DirectoryError::Declined {
            scim_type: ScimType::InvalidValue,
            why: "the password does not meet the policy",
        },
        DirectoryError::TooLarge,
        DirectoryError::Credentials(403),
        DirectoryError::Unsupported,
        DirectoryError::Unreachable("10.0.0.1:636".to_owned()),
        DirectoryError::Lost,
        DirectoryError::TimedOut,
        DirectoryError::Malformed("not JSON".to_owned()),
        DirectoryError::Failed(599),
        DirectoryError::Partly,
        DirectoryError::Overloaded,
    ];
    for verb in [VerbKind::List, VerbKind::Patch] {
        all.extend(directory.iter().map(|error| GatewayError::Directory {
            error: error.clone(),
            verb,
            resource: user.clone(),
            detail: None,
        }));
    }
    all.extend(
        [
            Interrupted::Lost,
            Interrupted::TimedOut,
            Interrupted::Malformed("no `Resources`".to_owned()),
            Interrupted::TooLarge(1000),
        ]
        .map(GatewayError::Interrupted),
    );
    all
}

#[test]
fn every_row_of_the_table() {
    let mut rows = String::new();
    for error in every_error() {
        let name = format!("{error:?}");
        let refusal = Refusal::from(error);
        assert!(!refusal.error.detail.is_empty());
        rows.push_str(&format!(
            "{name}\n  {} {} fault={} detail={:?}\n",
            refusal.error.status().as_u16(),
            refusal.error.scim_type.map_or("-", ScimType::as_str),
            refusal.fault.as_str(),
            refusal.error.detail,
        ));
        for (header, value) in [
            ("WWW-Authenticate", refusal.challenge.map(str::to_owned)),
            ("Retry-After", refusal.retry_after.map(|s| s.to_string())),
            ("Allow", refusal.allow.map(str::to_owned)),
        ] {
            if let Some(value) = value {
                rows.push_str(&format!("  {header}: {value}\n"));
            }
        }
    }
    insta::assert_snapshot!(rows);
}

#[test]
fn a_503_or_429_always_says_when_to_come_back() {
    for error in every_error() {
        let refusal = Refusal::from(error);
        let status = refusal.error.status().as_u16();
        assert_eq!(
            refusal.retry_after.is_some(),
            matches!(status, 429 | 503),
            "{refusal:?}"
        );
        assert_eq!(refusal.challenge.is_some() && status != 400, status == 401);
        assert_eq!(refusal.allow.is_some(), status == 405);
    }
}

#[test]
fn wrong_tokens_are_told_apart_in_the_log_only() {
    let [unknown, expired] = [Rejection::Unknown, Rejection::Expired]
        .map(|why| Refusal::from(GatewayError::Auth(AuthError::Rejected(why))));
    assert_eq!(unknown.error, expired.error);
    assert_eq!(unknown.challenge, expired.challenge);
    assert_ne!(unknown.reason, expired.reason);
}
