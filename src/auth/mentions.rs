//! What `access.yaml` says of things that other files define: tenants, resource types, attributes.

use super::TenantName;
use super::attributes::Pattern;
use super::grant::Resources;
use crate::scim::ResourceType;
use crate::scim::schema::TypeSchema;
use crate::yaml::{Diagnostic, Diagnostics, Source, Span, suggest};

/// Names that other files define, with their places.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    pub(super) source: Option<Source>,
    pub(super) tenants: Vec<(TenantName, Span)>,
    pub(super) resources: Vec<(ResourceType, Span)>,
    /// The types that each is about.
    pub(super) attributes: Vec<(Resources, Pattern, Span)>,
    /// What was seen in the file itself and stops nothing.
    pub(super) warnings: Diagnostics,
}

impl Mentions {
    /// Warnings about tenants and resource types that no rule file defines, and about what was seen
    /// in the file itself.
    pub(super) fn cross_check(&self, tenants: &[&str], resources: &[&str]) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let Some(source) = &self.source else {
            return diagnostics;
        };
        let mut warn = |span, what: &str, name: &str, known: &[&str]| {
            let message = format!("no rule file defines the {what} `{name}`");
            let warning = Diagnostic::warning(source, span, message);
            diagnostics.push(match suggest(name, known.iter().copied()) {
                Some(meant) => warning.help(format!("did you mean `{meant}`?")),
                None => warning,
            });
        };
        for (tenant, span) in &self.tenants {
            if !tenants.contains(&tenant.as_str()) {
                warn(*span, "tenant", tenant.as_str(), tenants);
            }
        }
        for (resource, span) in &self.resources {
            if !resources
                .iter()
                .any(|known| known.eq_ignore_ascii_case(resource.as_str()))
            {
                warn(*span, "resource type", resource.as_str(), resources);
            }
        }
        diagnostics.extend(self.warnings.clone());
        diagnostics
    }

    /// Warnings about attributes that no schema has.
    pub(super) fn check_attributes(&self, schemas: &[&TypeSchema]) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let Some(source) = &self.source else {
            return diagnostics;
        };
        for (resources, pattern, span) in &self.attributes {
            let meant = |schema: &&&TypeSchema| match resources {
                Resources::All => true,
                Resources::Only(types) => types.contains(&schema.name),
            };
            let schemas: Vec<_> = schemas.iter().filter(meant).collect();
            // A type that no rule has is told by itself.
            if schemas.is_empty() || schemas.iter().any(|schema| pattern.is_known(schema)) {
                continue;
            }
            let message = format!("no tenant has an attribute `{pattern}` there");
            let warning = Diagnostic::warning(source, *span, message);
            let known: Vec<String> = schemas.iter().flat_map(|schema| names(schema)).collect();
            let known = known.iter().map(String::as_str);
            diagnostics.push(match suggest(pattern.text(), known) {
                Some(meant) => warning.help(format!("did you mean `{meant}`?")),
                None => warning,
            });
        }
        diagnostics
    }
}

/// Everything that a role can name of a type.
pub(super) fn names(schema: &TypeSchema) -> Vec<String> {
    let mut names = vec!["externalId".to_owned()];
    let base = (String::new(), &schema.base);
    let extensions = schema.extensions.iter();
    let extensions = extensions.map(|extension| (format!("{}:", extension.id), extension));
    for (prefix, schema) in std::iter::once(base).chain(extensions) {
        names.push(schema.id.as_str().to_owned());
        for attribute in &schema.attributes {
            names.push(format!("{prefix}{}", attribute.name));
            for sub in &attribute.sub_attributes {
                names.push(format!("{prefix}{}.{}", attribute.name, sub.name));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::access::tests::authenticator;
    use super::*;

    #[test]
    fn attributes_that_no_schema_has_are_warned_about() {
        let found = authenticator(
            "roles:
  r:
    allow:
      - {resources: [User], verbs: [read], attributes: [\"*\", -pasword, -id, -meta.created, -externalId]}
      - {resources: [User], verbs: [read], attributes: [name.famlyName, NAME.givenname, emails.display]}
      - {resources: [Group], verbs: [read], attributes: [members.value, userName]}
      - {resources: \"*\", verbs: [read], attributes: [userName, shoeSize]}
      - {resources: [Car], verbs: [read], attributes: [wheels]}
      - resources: [User]
        verbs: [read]
        attributes:
          - urn:ietf:params:scim:schemas:core:2.0:User
          - urn:ietf:params:scim:schemas:extension:enterprise:2.0:User
          - urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value
          - urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:departement
accounts: []",
        );
        let (user, group) = (crate::scim::schema::user(), crate::scim::schema::group());
        let warnings = found.check_attributes(&[&user, &group]);
        let lines: Vec<String> = warnings.iter().map(Diagnostic::one_line).collect();
        assert_eq!(
            lines,
            [
                "access.yaml:4:62: no tenant has an attribute `pasword` there (did you mean `password`?)",
                "access.yaml:5:57: no tenant has an attribute `name.famlyName` there (did you mean `name.familyName`?)",
                "access.yaml:6:73: no tenant has an attribute `userName` there",
                "access.yaml:7:64: no tenant has an attribute `shoeSize` there",
                "access.yaml:15:13: no tenant has an attribute \
                 `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:departement` there (did you mean \
                 `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department`?)",
            ]
        );
        assert!(!warnings.has_errors());
    }
}
