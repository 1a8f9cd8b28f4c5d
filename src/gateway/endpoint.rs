//! What a path under a Tenant URL names, and which methods it takes.

use http::Method;

use crate::mapping::Plan;
use crate::scim::ResourceId;
use crate::scim::schema::TypeSchema;
use crate::telemetry::OperationKind;

use super::error::GatewayError;
use super::state::Limits;

/// What the rest of a path names.
#[derive(Debug, Clone)]
pub(super) enum Endpoint<'t> {
    /// `/Users`.
    Type(&'t TypeSchema),
    /// `/Users/{id}`.
    Resource(&'t TypeSchema, ResourceId),
    /// `/Users/.search`.
    TypeSearch(&'t TypeSchema),
    /// `/.search`: all types.
    Search(Vec<&'t TypeSchema>),
    /// `/Bulk`.
    Bulk,
    /// `/Me`.
    Me,
    /// `/ServiceProviderConfig`.
    ServiceProviderConfig,
    /// `/Schemas` or one of them.
    Schemas(Option<String>),
    /// `/ResourceTypes` or one of them.
    ResourceTypes(Option<String>),
}

impl<'t> Endpoint<'t> {
    /// Finds the endpoint of a decoded path: empty, or segments that each begin with a slash.
    pub(super) fn find(plan: &'t Plan, rest: &str) -> Result<Self, GatewayError> {
        let mut segments = rest.split('/').skip(1);
        let (first, second) = (segments.next(), segments.next());
        if segments.next().is_some() {
            return Err(GatewayError::NoEndpoint);
        }
        match (first, second) {
            (Some(".search"), None) => Ok(Self::Search(plan.types().collect())),
            (Some("Bulk"), None) => Ok(Self::Bulk),
            (Some("Me"), None) => Ok(Self::Me),
            (Some("ServiceProviderConfig"), None) => Ok(Self::ServiceProviderConfig),
            (Some("Schemas"), id) => Ok(Self::Schemas(id.map(str::to_owned))),
            (Some("ResourceTypes"), id) => Ok(Self::ResourceTypes(id.map(str::to_owned))),
            (Some(segment), second) => {
                let schema = plan.endpoint(segment).ok_or(GatewayError::NoEndpoint)?;
                match second {
                    None => Ok(Self::Type(schema)),
                    Some(".search") => Ok(Self::TypeSearch(schema)),
                    // What cannot be an id is the id of nothing.
                    Some(id) => match id.parse() {
                        Ok(id) => Ok(Self::Resource(schema, id)),
                        Err(_) => Err(GatewayError::NoEndpoint),
                    },
                }
            }
            (None, _) => Err(GatewayError::NoEndpoint),
        }
    }

    /// The methods that it takes, as `Allow` lists them.
    fn methods(&self) -> &'static str {
        match self {
            Self::Type(_) => "GET, POST",
            Self::Resource(..) => "GET, PUT, PATCH, DELETE",
            Self::TypeSearch(_) | Self::Search(_) | Self::Bulk => "POST",
            Self::Me => "GET, POST, PUT, PATCH, DELETE",
            Self::ServiceProviderConfig | Self::Schemas(_) | Self::ResourceTypes(_) => "GET",
        }
    }

    /// Refuses a method that the endpoint does not take.
    pub(super) fn takes(&self, method: &Method) -> Result<(), GatewayError> {
        let allow = self.methods();
        if allow.split(", ").any(|known| known == method.as_str()) {
            Ok(())
        } else {
            Err(GatewayError::Method(allow))
        }
    }

    /// What a method means here: the word for labels and logs.
    pub(super) fn operation(&self, method: &Method) -> OperationKind {
        match self {
            Self::TypeSearch(_) => OperationKind::List,
            Self::Type(_) if *method == Method::GET => OperationKind::List,
            Self::Type(_) => OperationKind::Create,
            Self::Resource(..) => match *method {
                Method::PUT => OperationKind::Replace,
                Method::PATCH => OperationKind::Patch,
                Method::DELETE => OperationKind::Delete,
                _ => OperationKind::Read,
            },
            Self::Search(_) => OperationKind::Search,
            Self::Bulk => OperationKind::Bulk,
            Self::Me => OperationKind::Me,
            Self::ServiceProviderConfig | Self::Schemas(_) | Self::ResourceTypes(_) => {
                OperationKind::Discovery
            }
        }
    }

    /// The largest body that it takes.
    pub(super) fn largest_body(&self, limits: &Limits) -> usize {
        if matches!(self, Self::Bulk) {
            limits.bulk_body
        } else {
            limits.body
        }
    }

    /// The name of the resource type, where there is just one.
    pub(super) fn resource(&self) -> Option<&str> {
        match self {
            Self::Type(schema) | Self::Resource(schema, _) | Self::TypeSearch(schema) => {
                Some(schema.name.as_str())
            }
            Self::Search(_)
            | Self::Bulk
            | Self::Me
            | Self::ServiceProviderConfig
            | Self::Schemas(_)
            | Self::ResourceTypes(_) => None,
        }
    }
}
