//! Rules, plans and a directory in memory for the tests.
#![expect(
    clippy::needless_pass_by_value,
    reason = "documents made in place read better at the call"
)]

use std::sync::Arc;

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::mapping::compile::Type;
use crate::mapping::{Before, Encoded, Guard, MappingError, Plan, Ruleset, View, Witness};
use crate::scim::accent::Accents;
use crate::scim::json::Checked;
use crate::scim::operation::{Abilities, Document, Projection, Verb};
use crate::scim::patch::Patch;
use crate::scim::query::Query;
use crate::scim::{Client, Operation, Resource, ResourceType, Upstream, message, parse, schema};
use crate::yaml::{Diagnostics, Source};

pub(super) const FULL: Abilities = Abilities {
    patch: true,
    etag: true,
    compares: true,
    filter: true,
    sort: true,
    page: true,
    put: true,
};

/// One that is told changes only, as an LDAP directory is.
pub(super) const CHANGES: Abilities = Abilities { put: false, ..FULL };

pub(super) const PLAIN: Abilities = Abilities {
    patch: false,
    ..FULL
};

pub(super) const ENTERPRISE: &str = schema::ENTERPRISE_USER;

pub(super) fn source(text: &str) -> Source {
    Source {
        name: "rules/test.yaml".into(),
        text: text.into(),
    }
}

/// A rule with these lines for User, and this policy.
pub(super) fn rule(lines: &str, unmapped: &str) -> String {
    let lines: String = lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("      - {line}\n"))
        .collect();
    format!(
        "tenant_url: https://scim.example.com/t/scim/v2\n\
         backend: {{scim: {{url: \"https://directory.internal/api\"}}}}\n\
         resources:\n  User:\n    attributes:\n{lines}    unmapped: {unmapped}\n"
    )
}

pub(super) fn compile(text: &str) -> Result<(Arc<Plan>, Diagnostics), Diagnostics> {
    let (rules, mut warnings) = Ruleset::read(&source(text))?;
    let (plan, more) = Plan::compile(&rules)?;
    warnings.extend(more);
    Ok((Arc::new(plan), warnings))
}

pub(super) fn plan(text: &str) -> Arc<Plan> {
    match compile(text) {
        Ok((plan, _)) => plan,
        Err(found) => panic!("{}", complaints(&found).join("\n")),
    }
}

/// A plan for User with `userName` under `login` and these further lines.
pub(super) fn users(lines: &str, unmapped: &str) -> Arc<Plan> {
    plan(&rule(
        &format!("{{scim: userName, target: login}}\n{lines}"),
        unmapped,
    ))
}

pub(super) fn legacy() -> Arc<Plan> {
    let shipped = include_str!("../../../rules/legacy-people.yaml");
    let lines = shipped.lines().map(|line| match line {
        // The address may be any.
        line if line.starts_with("tenant_url:") => {
            "tenant_url: https://scim.example.com/legacy/scim/v2".to_owned()
        }
        // Any status but `leaver` is taken for active: the harder table.
        line if line.contains("target: status") => {
            line.replace("otherwise: omit", "otherwise: \"true\"")
        }
        // And mail is the primary one: an element with a constant.
        line => line.replace("target: mail}", "target: mail, element: {primary: true}}"),
    });
    plan(&lines.collect::<Vec<_>>().join("\n"))
}

pub(super) fn complaints(found: &Diagnostics) -> Vec<String> {
    found.iter().map(|d| d.one_line()).collect()
}

pub(super) fn resource(value: Value) -> Resource {
    match value {
        Value::Object(map) => map.into(),
        other => panic!("{other} is not an object"),
    }
}

pub(super) fn tree(document: Document) -> Value {
    Value::from(document.into_tree())
}

/// The scope of an account that may do everything: only authorisation makes one.
pub(super) fn scope() -> Scope {
    Scope::everything()
}

pub(super) fn user() -> ResourceType {
    "User".parse().unwrap()
}

pub(super) fn operation(verb: Verb) -> Operation<Client> {
    Operation::new(user(), verb)
}

pub(super) fn encode(
    plan: &Plan,
    operation: Operation<Client>,
    abilities: Abilities,
    before: Option<Value>,
) -> Result<(Encoded, View), MappingError> {
    let before = before.map(|value| Before {
        resource: resource(value),
        guard: Guard::Version("\"7\"".to_owned()),
    });
    plan.encode_operation(
        operation,
        (&scope(), None),
        abilities,
        before.as_ref(),
        &mut (),
    )
}

pub(super) fn ask(encoded: Encoded) -> Operation<Upstream> {
    match encoded {
        Encoded::Ask(operation) => operation,
        other => panic!("nothing to ask: {other:?}"),
    }
}

/// What a POST becomes.
pub(super) fn created(plan: &Plan, document: Value) -> Result<Value, MappingError> {
    let verb = Verb::Create(Document::Tree(resource(document)));
    let (encoded, _) = encode(plan, operation(verb), FULL, None)?;
    match ask(encoded).verb {
        Verb::Create(document) => Ok(tree(document)),
        other => panic!("{other:?}"),
    }
}

/// What a PUT over a present resource becomes.
pub(super) fn replaced(plan: &Plan, before: Value, document: Value) -> Result<Value, MappingError> {
    let verb = Verb::Replace("1".parse().unwrap(), Document::Tree(resource(document)));
    let present = before.clone();
    match encode(plan, operation(verb), FULL, Some(before))?.0 {
        Encoded::Ask(operation) => match operation.verb {
            Verb::Replace(_, document) => Ok(tree(document)),
            other => panic!("{other:?}"),
        },
        Encoded::Unchanged(_) => Ok(present),
        Encoded::Empty => panic!("a PUT is no query"),
    }
}

pub(super) fn patch_of(plan: &Plan, operations: Value) -> Patch {
    let body = json!({"schemas": [message::PATCH_OP], "Operations": operations});
    let schema = plan.endpoint("Users").unwrap();
    message::patch_request(body, schema, &mut Accents::accepted()).unwrap()
}

/// What a PATCH becomes, with and without the present resource as the plan asks for it.
pub(super) fn patched(
    plan: &Plan,
    abilities: Abilities,
    before: Value,
    operations: Value,
) -> Result<Encoded, MappingError> {
    let verb = || Verb::Patch("1".parse().unwrap(), patch_of(plan, operations.clone()));
    let need = plan.need_of(&operation(verb()), &scope(), abilities);
    encode(plan, operation(verb()), abilities, need.map(|_| before)).map(|(encoded, _)| encoded)
}

/// A resource of the directory as a client sees it.
pub(super) fn seen(plan: &Plan, upstream: Value) -> Value {
    let ty = plan.ty(&user()).unwrap();
    show_as(plan, ty, upstream, &mut ()).unwrap()
}

/// The same for any type, with a witness.
pub(super) fn show_as(
    plan: &Plan,
    ty: &Type,
    upstream: Value,
    witness: &mut impl Witness,
) -> Result<Value, MappingError> {
    let text = Checked::of(&resource(upstream));
    let view = view(Projection::All);
    let shown = plan
        .show(ty, text.members(), &view, None, witness)?
        .unwrap();
    Ok(Value::from(shown.to_resource()))
}

pub(super) fn view(projection: Projection) -> View {
    View {
        resource: user(),
        scope: scope(),
        sight: None,
        projection,
        start: 1,
        cut: None,
    }
}

/// A filter in the directory's words; `None` is the empty list.
pub(super) fn filtered(plan: &Plan, text: &str) -> Result<Option<String>, String> {
    let schema = plan.endpoint("Users").unwrap();
    let filter = parse::filter(text, schema, &mut Accents::accepted()).unwrap();
    let query = Query {
        filter: Some(filter),
        ..Query::default()
    };
    match encode(plan, operation(Verb::List(query)), FULL, None) {
        Ok((Encoded::Empty, _)) => Ok(None),
        Ok((Encoded::Ask(operation), _)) => match operation.verb {
            Verb::List(query) => Ok(Some(
                query.filter.map_or("all".to_owned(), |f| f.to_string()),
            )),
            other => panic!("{other:?}"),
        },
        Ok((other, _)) => panic!("{other:?}"),
        Err(MappingError::Refused(_, text)) => Err(text),
        Err(other) => panic!("{other:?}"),
    }
}

/// What is in the client's words apart from what postern makes itself.
pub(super) fn bare(mut value: Value) -> Value {
    if let Value::Object(map) = &mut value {
        for name in ["id", "meta", "schemas"] {
            map.shift_remove(name);
        }
    }
    value
}
