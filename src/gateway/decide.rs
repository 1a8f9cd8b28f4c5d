//! What would become of a request, without sending anything: the same code as for one that comes
//! in, up to where the directory would be asked.

mod beside;

use std::net::IpAddr;

use bytes::Bytes;
use http::Method;

use crate::auth::{Caller, Permitted, RoleLine, Set, Share};
use crate::config::{Snapshot, Tenant};
use crate::mapping::MappingError;
use crate::scim::accent::Accents;
use crate::scim::operation::{Precondition, Verb, VerbKind};
use crate::scim::schema::{Attribute, TypeSchema};
use crate::scim::{Client, Operation, Resource};

use super::bulk;
use super::call::{self, Call, Parts};
use super::endpoint::Endpoint;
use super::error::GatewayError;
use super::refusal::Refusal;
use super::run::{Prepared, prepare};
use super::target::Target;

/// A request that nobody sends.
#[derive(Debug)]
pub struct Question {
    /// The account that would send it.
    pub caller: Caller,
    /// Where it would come from, where that matters.
    pub from: Option<IpAddr>,
    /// The method.
    pub method: Method,
    /// The path with its query, or the whole URL.
    pub target: String,
    /// The body.
    pub body: Bytes,
    /// The present resource in the client's words, where somebody knows it.
    pub present: Option<Resource>,
    /// The most operations of a bulk request.
    pub operations: usize,
}

/// What would become of it.
#[derive(Debug)]
pub struct Decision {
    /// The tenant, where one was found.
    pub tenant: Option<String>,
    /// One for each operation; one alone unless it is a bulk request.
    pub verdicts: Vec<Verdict>,
}

/// What would become of one operation.
#[derive(Debug)]
pub struct Verdict {
    /// What is wanted, such as `patch User`.
    pub what: String,
    /// Whether it may be done.
    pub answer: Answer,
    /// The lines that allow it, or could.
    pub lines: Vec<RoleLine>,
    /// What may be changed; nothing where the operation changes no attributes.
    pub writable: Option<Vec<String>>,
    /// What may be seen of the answer.
    pub readable: Option<Vec<String>>,
    /// What would be left out of it without a word to the client.
    pub discarded: Vec<String>,
    /// Why the present resource would be read first.
    pub reads: Option<&'static str>,
    /// What else may stop it that is not told here, since it is told by the directory or by what
    /// was done before.
    pub beside: Vec<String>,
}

/// Whether it may be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may.
    Allowed,
    /// That is told by the present resource, which nobody has shown.
    Depends,
    /// It may not: the status and the detail that the client would get.
    Refused(u16, String),
}

/// What would become of a request.
#[must_use]
pub fn decide(snapshot: &Snapshot, question: Question) -> Decision {
    match judge(snapshot, question) {
        Ok(decision) => decision,
        Err((tenant, error)) => Decision {
            tenant,
            verdicts: vec![Verdict::refused(String::new(), error)],
        },
    }
}

type Failed = (Option<String>, GatewayError);

fn judge(snapshot: &Snapshot, question: Question) -> Result<Decision, Failed> {
    let early = |error| (None, error);
    let found = Target::find(snapshot, &question.target).map_err(early)?;
    let (uri, tenant, rest) = (&found.uri, &found.tenant, &*found.rest);
    let name = tenant.name.as_str().to_owned();
    let late = |error: GatewayError| (Some(name.clone()), error);
    if let Some(from) = question.from {
        let calls = question.caller.calls_from(from);
        calls.map_err(|error| late(error.into()))?;
    }
    let entered = question.caller.enter(&tenant.name);
    entered.map_err(|error| late(error.into()))?;
    if let Some(host) = uri.host() {
        let host = host.to_ascii_lowercase();
        if !tenant.hosts.iter().any(|known| **known == *host) {
            return Err(late(GatewayError::Misdirected));
        }
    }
    let endpoint = Endpoint::find(&tenant.plan, rest).map_err(late)?;
    endpoint.takes(&question.method).map_err(late)?;
    let body = if call::has_body(&question.method) {
        question.body
    } else {
        Bytes::new()
    };
    let parts = Parts {
        method: &question.method,
        query: uri.query().unwrap_or_default(),
        precondition: Precondition::default(),
        body,
    };
    let mut accents = accents(tenant);
    let call = Call::parse(&endpoint, parts, question.operations, &mut accents).map_err(late)?;
    let (caller, present) = (&question.caller, question.present.as_ref());
    let verdicts = match call {
        Call::One(operation) => vec![verdict(tenant, caller, operation, present)],
        Call::Everything(operations) => operations
            .into_iter()
            .map(|operation| verdict(tenant, caller, operation, present))
            .collect(),
        Call::Bulk(request) => {
            let made = bulk::supposed(&request.operations);
            let operations = request.operations.into_iter();
            operations
                .map(|operation| {
                    let what = format!("{} {}", operation.method, operation.path);
                    match bulk::parse(tenant, operation, &made, &mut accents) {
                        Ok(operation) => verdict(tenant, caller, operation, present),
                        Err(error) => Verdict::refused(what, error),
                    }
                })
                .collect()
        }
        Call::Discovery(_) => vec![Verdict::new("read what the tenant can do".to_owned())],
    };
    Ok(Decision {
        tenant: Some(name),
        verdicts,
    })
}

fn accents(tenant: &Tenant) -> Accents {
    if tenant.plan.accepts_accents() {
        Accents::accepted()
    } else {
        Accents::refused()
    }
}

fn verdict(
    tenant: &Tenant,
    caller: &Caller,
    operation: Operation<Client>,
    present: Option<&Resource>,
) -> Verdict {
    let what = format!("{} {}", operation.verb.kind().as_str(), operation.resource);
    let prepared = match prepare(tenant, caller, operation) {
        Ok(prepared) => prepared,
        Err(error) => return Verdict::refused(what, error),
    };
    let mut verdict = Verdict::new(what);
    verdict.reads = prepared.need.as_ref().map(|need| need.why);
    verdict.beside = beside::looks(&tenant.plan, prepared.operation());
    match settled(tenant, &prepared, present) {
        Ok((prepared, answer)) => {
            verdict.answer = answer;
            verdict.shows(tenant, prepared.permitted());
            let writes = prepared.operation().verb.kind().writes();
            if let Some(present) = present.filter(|_| writes) {
                match beside::written(tenant, &prepared, present) {
                    Ok(Some(more)) => verdict.beside = more,
                    Ok(None) => {}
                    Err(error) => verdict.answer = Verdict::refused(String::new(), error).answer,
                }
            }
        }
        Err(error) => {
            let (answer, lines) = (Verdict::refused(String::new(), error).answer, &prepared);
            verdict.answer = answer;
            verdict.lines = origins(lines.permitted());
        }
    }
    if let Answer::Refused(..) = verdict.answer {
        verdict.beside.clear();
    }
    verdict
}

/// The operation by the lines that count for the present resource.
fn settled(
    tenant: &Tenant,
    prepared: &Prepared,
    present: Option<&Resource>,
) -> Result<(Prepared, Answer), GatewayError> {
    let operation = prepared.operation();
    let reading = matches!(operation.verb, Verb::Read(_));
    let conditional =
        prepared.permitted().is_open() || reading && prepared.permitted().sight().is_some();
    let Some(present) = present.filter(|_| conditional) else {
        if conditional {
            return Ok((prepared.clone(), Answer::Depends));
        }
        if prepared.need.is_none() {
            prepared.clone().encode(tenant, None, &mut ())?;
        } else {
            tenant.plan.permit(prepared.permitted())?;
        }
        return Ok((prepared.clone(), Answer::Allowed));
    };
    let seen = tenant.plan.supposed(&operation.resource, present.clone())?;
    let narrowed = prepared.by(tenant, &seen)?;
    Ok((narrowed, Answer::Allowed))
}

impl Verdict {
    fn new(what: String) -> Self {
        Self {
            what,
            answer: Answer::Allowed,
            lines: Vec::new(),
            writable: None,
            readable: None,
            discarded: Vec::new(),
            reads: None,
            beside: Vec::new(),
        }
    }

    fn refused(what: String, error: GatewayError) -> Self {
        let refusal = Refusal::from(error);
        let status = refusal.error.status().as_u16();
        Self {
            answer: Answer::Refused(status, refusal.error.detail),
            ..Self::new(what)
        }
    }

    fn shows(&mut self, tenant: &Tenant, permitted: &Permitted) {
        self.lines = origins(permitted);
        let (operation, scope) = (permitted.operation(), permitted.scope());
        let mut types = tenant.plan.types();
        let Some(schema) = types.find(|schema| schema.name == operation.resource) else {
            return;
        };
        let scope = scope.based(&schema.base.id);
        let kind = operation.verb.kind();
        if kind.writes() && kind != VerbKind::Delete {
            self.writable = Some(listed(scope.writable(), schema));
        }
        if kind != VerbKind::Delete {
            self.readable = Some(listed(scope.readable(), schema));
        }
        self.discarded = match tenant.plan.discarded(permitted) {
            Ok(paths) => paths,
            Err(MappingError::Forbidden(_)) | Err(_) => Vec::new(),
        };
    }
}

fn origins(permitted: &Permitted) -> Vec<RoleLine> {
    permitted
        .allowed_by()
        .map(|line| (**line).clone())
        .collect()
}

/// The attributes of a type that are in a set, with their values where these are bounded.
fn listed(set: Option<&Set>, schema: &TypeSchema) -> Vec<String> {
    let Some(set) = set else {
        return vec!["everything".to_owned()];
    };
    let mut names = Vec::new();
    if set.attribute(None, "externalId") == Share::Whole {
        names.push("externalId".to_owned());
    }
    list(set, None, &schema.base.attributes, &mut names);
    for extension in &schema.extensions {
        let uri = extension.id.as_str();
        list(set, Some(uri), &extension.attributes, &mut names);
    }
    names
}

fn list(set: &Set, uri: Option<&str>, attributes: &[Attribute], names: &mut Vec<String>) {
    let prefix = uri.map(|uri| format!("{uri}:")).unwrap_or_default();
    for attribute in attributes {
        let name = attribute.name.as_str();
        let full = format!("{prefix}{name}");
        let bounded = |sub: Option<&str>| {
            let mut bounds = set.bounds_on(uri, name);
            bounds.any(|bound| bound.sub() == sub)
        };
        match set.attribute(uri, name) {
            Share::None => {}
            Share::Whole if bounded(None) => {}
            Share::Whole => names.push(full.clone()),
            Share::Part => {
                let parts = attribute.sub_attributes.iter();
                let parts = parts.filter(|sub| {
                    let sub = sub.name.as_str();
                    set.part(uri, name, sub) && !bounded(Some(sub))
                });
                names.extend(parts.map(|sub| format!("{full}.{}", sub.name)));
            }
        }
        for bound in set.bounds_on(uri, name) {
            let sub = bound.sub().map(|sub| format!(".{sub}")).unwrap_or_default();
            let values = bound.told();
            let values = values.unwrap_or_else(|| "some values".to_owned());
            names.push(format!("{full}{sub} as {values} only"));
        }
    }
}
