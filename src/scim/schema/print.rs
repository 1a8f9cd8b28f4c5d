//! Schemas as JSON (RFC 7643 §7), for discovery.
//!
//! Members that a type does not have are left out (§2.3): only strings, references and binaries
//! have `caseExact`; booleans, times, binaries and complex attributes have no `uniqueness`.

use serde_json::{Map, Value, json};

use super::{Attribute, Kind, Mutability, Returned, Schema, Uniqueness};

/// The schema of schemas.
pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

impl Schema {
    /// The schema as a resource of `/Schemas`, without `meta`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({
            "schemas": [SCHEMA],
            "id": self.id.as_str(),
            "name": self.name,
            "description": self.description,
            "attributes": values(&self.attributes),
        })
    }
}

impl Attribute {
    /// The definition as an element of `attributes` or `subAttributes`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
        put("name", self.name.as_str().into());
        put("type", self.kind.as_str().into());
        if self.kind == Kind::Complex {
            put("subAttributes", values(&self.sub_attributes));
        }
        put("multiValued", self.multi_valued.into());
        put("description", self.description.as_str().into());
        put("required", self.required.into());
        if !self.canonical_values.is_empty() {
            put("canonicalValues", self.canonical_values.clone().into());
        }
        if matches!(self.kind, Kind::String | Kind::Reference | Kind::Binary) {
            put("caseExact", self.case_exact.into());
        }
        put("mutability", self.mutability.as_str().into());
        put("returned", self.returned.as_str().into());
        if matches!(
            self.kind,
            Kind::String | Kind::Reference | Kind::Integer | Kind::Decimal
        ) {
            put("uniqueness", self.uniqueness.as_str().into());
        }
        if self.kind == Kind::Reference {
            put("referenceTypes", self.reference_types.clone().into());
        }
        map.into()
    }
}

fn values(attributes: &[Attribute]) -> Value {
    attributes.iter().map(Attribute::to_value).collect()
}

impl Kind {
    /// The word of the RFC.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Integer => "integer",
            Self::DateTime => "dateTime",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

impl Mutability {
    /// The word of the RFC.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::ReadWrite => "readWrite",
            Self::Immutable => "immutable",
            Self::WriteOnly => "writeOnly",
        }
    }
}

impl Returned {
    /// The word of the RFC.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Default => "default",
            Self::Request => "request",
        }
    }
}

impl Uniqueness {
    /// The word of the RFC.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
            Self::Global => "global",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::scim::schema::{group, user};

    fn one<'a>(schema: &'a Value, name: &str) -> &'a Value {
        let mut all = schema["attributes"].as_array().unwrap().iter();
        all.find(|a| a["name"] == name).unwrap()
    }

    #[test]
    fn a_type_shows_only_the_members_that_it_has() {
        let schema = user().base.to_value();
        let names = |value: &Value| {
            let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names.join(" ")
        };
        let every = "description multiValued mutability name required returned";
        assert_eq!(names(one(&schema, "active")), format!("{every} type"));
        assert_eq!(
            names(one(&schema, "name")),
            format!("{every} subAttributes type")
        );
        assert_eq!(
            names(one(&schema, "userName")),
            format!("caseExact {every} type uniqueness")
        );
        assert_eq!(
            names(one(&schema, "profileUrl")),
            "caseExact description multiValued mutability name referenceTypes required returned \
             type uniqueness"
        );
        let certificate = &one(&schema, "x509Certificates")["subAttributes"][0];
        assert_eq!(names(certificate), format!("caseExact {every} type"));
    }

    #[test]
    fn what_clients_rely_on() {
        let schema = user().base.to_value();
        let user_name = one(&schema, "userName");
        assert_eq!(user_name["uniqueness"], "server");
        assert_eq!(user_name["required"], true);
        assert_eq!(user_name["caseExact"], false);
        let password = one(&schema, "password");
        assert_eq!(password["mutability"], "writeOnly");
        assert_eq!(password["returned"], "never");
        let groups = one(&schema, "groups");
        for sub in groups["subAttributes"].as_array().unwrap() {
            assert_eq!(sub["mutability"], "readOnly");
        }
        let members = group().base.to_value();
        let members = one(&members, "members");
        assert_eq!(members["multiValued"], true);
        assert_eq!(members["mutability"], "readWrite");
        assert_eq!(members["subAttributes"][0]["mutability"], "immutable");
    }
}
