//! What a tenant can do, told truthfully (RFC 7644 §4, RFC 7643 §5 to §7): its abilities come from
//! the directory and the mapping, its types and schemas from the rule.

use serde_json::{Map, Value, json};

use crate::auth::Authenticator;
use crate::config::Tenant;
use crate::scim::message::LIST_RESPONSE;
use crate::scim::schema::{Schema, TypeSchema};

use super::error::GatewayError;
use super::state::Limits;

/// `/ServiceProviderConfig`.
pub(super) fn service_provider_config(
    tenant: &Tenant,
    auth: &Authenticator,
    limits: &Limits,
) -> Value {
    let abilities = tenant.directory.abilities();
    let password = tenant
        .plan
        .types()
        .flat_map(|schema| &schema.base.attributes)
        .any(|attribute| attribute.name.is("password"));
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {
            "supported": true,
            "maxOperations": limits.bulk_operations,
            "maxPayloadSize": limits.bulk_body,
        },
        "filter": {"supported": abilities.filter, "maxResults": limits.max_results},
        "changePassword": {"supported": password},
        "sort": {"supported": abilities.sort},
        "etag": {"supported": abilities.etag},
        "pagination": pagination(tenant, limits),
        "authenticationSchemes": schemes(auth),
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/ServiceProviderConfig", tenant.url),
        },
    })
}

/// How callers may show who they are (RFC 7643 §5).
fn schemes(auth: &Authenticator) -> Vec<Value> {
    let mut schemes = vec![json!({
        "type": "oauthbearertoken",
        "name": "OAuth Bearer Token",
        "description": "The secret token of an account, sent as a bearer token",
        "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
        "primary": true,
    })];
    if let Some(issuer) = auth.issuer() {
        let endpoint = issuer.token_endpoint();
        schemes.push(json!({
            "type": "oauth2",
            "name": "OAuth 2.0 Client Credentials",
            "description": format!("A short-lived access token from {endpoint}"),
            "specUri": "https://www.rfc-editor.org/rfc/rfc6749",
        }));
    }
    schemes
}

/// How lists are paged (RFC 9865).
fn pagination(tenant: &Tenant, limits: &Limits) -> Value {
    let cursor = tenant.directory.has_cursors();
    let mut pagination = Map::new();
    pagination.insert("cursor".to_owned(), cursor.into());
    pagination.insert("index".to_owned(), true.into());
    pagination.insert("defaultPaginationMethod".to_owned(), "index".into());
    let most = Value::from(limits.max_results);
    if cursor {
        pagination.insert("defaultPageSize".to_owned(), most.clone());
    }
    pagination.insert("maxPageSize".to_owned(), most);
    pagination.into()
}

/// `/Schemas`, or the one of this URI.
pub(super) fn schemas(tenant: &Tenant, id: Option<&str>) -> Result<Value, GatewayError> {
    let mut known: Vec<&Schema> = Vec::new();
    for schema in tenant.plan.types() {
        for schema in std::iter::once(&schema.base).chain(&schema.extensions) {
            // Several types may carry the same extension.
            if !known.iter().any(|other| other.id == schema.id) {
                known.push(schema);
            }
        }
    }
    let print = |schema: &Schema| {
        let location = format!("{}/Schemas/{}", tenant.url, schema.id);
        with_meta(schema.to_value(), "Schema", location)
    };
    match id {
        None => Ok(list(&known.into_iter().map(print).collect::<Vec<_>>())),
        Some(id) => known
            .into_iter()
            .find(|schema| schema.id.is(id))
            .map(print)
            .ok_or(GatewayError::NoSuchDefinition),
    }
}

/// `/ResourceTypes`, or the one of this name.
pub(super) fn resource_types(tenant: &Tenant, name: Option<&str>) -> Result<Value, GatewayError> {
    let print = |schema: &TypeSchema| {
        let location = format!("{}/ResourceTypes/{}", tenant.url, schema.name);
        with_meta(resource_type(schema), "ResourceType", location)
    };
    match name {
        None => Ok(list(&tenant.plan.types().map(print).collect::<Vec<_>>())),
        Some(name) => tenant
            .plan
            .types()
            .find(|schema| schema.name.as_str() == name)
            .map(print)
            .ok_or(GatewayError::NoSuchDefinition),
    }
}

fn resource_type(schema: &TypeSchema) -> Value {
    let extensions: Vec<_> = schema
        .extensions
        .iter()
        .map(|extension| json!({"schema": extension.id.as_str(), "required": false}))
        .collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": schema.name.as_str(),
        "name": schema.name.as_str(),
        "description": &*schema.description,
        "endpoint": format!("/{}", schema.endpoint),
        "schema": schema.base.id.as_str(),
        "schemaExtensions": extensions,
    })
}

fn with_meta(mut value: Value, resource_type: &str, location: String) -> Value {
    if let Some(map) = value.as_object_mut() {
        let mut meta = Map::new();
        meta.insert("resourceType".to_owned(), resource_type.into());
        meta.insert("location".to_owned(), location.into());
        map.insert("meta".to_owned(), meta.into());
    }
    value
}

/// The envelope: everything on one page, whatever a client asks.
fn list(resources: &[Value]) -> Value {
    json!({
        "schemas": [LIST_RESPONSE],
        "totalResults": resources.len(),
        "itemsPerPage": resources.len(),
        "startIndex": 1,
        "Resources": resources,
    })
}
