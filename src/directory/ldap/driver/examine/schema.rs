//! What the rule says of a type against the schema of the directory.

use super::super::home::Home;
use crate::directory::Finding;
use crate::directory::ldap::Schema;
use crate::directory::ldap::schema::{AttributeType, ClassKind};
use crate::ldap::attribute;
use crate::ldap::layout::{Attribute, By, Create, Flavor, Syntax, Values};

/// What does not fit.
pub(super) fn compare(home: &Home, schema: &Schema, found: &mut Vec<Finding>) {
    let mut unordered = Vec::new();
    for one in home.place.attributes.iter().filter(|one| is_real(one)) {
        match schema.attribute(one.name.as_str()) {
            Some(kind) => of_attribute(home, one, &kind, &mut unordered, found),
            None => {
                let text = format!("the directory's schema has no attribute `{}`", one.name);
                found.push(Finding::warning(
                    one.line,
                    one.name.as_str(),
                    text,
                    origin(one.name.as_str()),
                ));
            }
        }
        needed_class(home, one, schema, found);
    }
    if !unordered.is_empty() {
        let names = unordered.join("`, `");
        let text = format!(
            "the schema gives no order to `{names}`: filters with `gt`, `ge`, `lt` and `le` on \
             these are refused with 400"
        );
        let help = "nothing needs to be done, unless clients ask so";
        found.push(Finding::note(home.place.line, "base", text, help));
    }
    let id = home.place.id.as_str();
    if schema.attribute(id).is_none() {
        let text = format!("the directory's schema has no attribute `{id}`, which holds the id");
        let help = "name the attribute by which this directory tells entries apart";
        found.push(Finding::warning(home.place.line, "id", text, help));
    }
    of_filter(home, schema, found);
    if let Some(create) = &home.place.create {
        of_classes(home, create, schema, found);
    }
}

/// A filter that asks about what nobody knows finds nobody, and no server says so.
fn of_filter(home: &Home, schema: &Schema, found: &mut Vec<Finding>) {
    let place = &home.place;
    let mut warn = |text: String| {
        let help = "correct the name, or load the schema that defines it";
        found.push(Finding::warning(place.line, "filter", text, help));
    };
    // A number is right or wrong without a schema.
    let named = |name: &&str| !name.starts_with(|first: char| first.is_ascii_digit());
    let unknown = |name: &&str| named(name) && schema.attribute(name).is_none();
    if let Some(name) = place.filter.attributes().into_iter().find(unknown) {
        warn(format!(
            "the directory's schema has no attribute `{name}`, which `filter` asks about"
        ));
    }
    let unknown = |name: &&str| named(name) && schema.class(name).is_none();
    if let Some(name) = place.filter.classes().into_iter().find(unknown) {
        warn(format!(
            "the directory's schema has no object class `{name}`, which `filter` asks about"
        ));
    }
}

/// Where an attribute comes from that the schema does not have.
fn origin(name: &str) -> &'static str {
    if name.len() > 3 && name.to_ascii_lowercase().starts_with("pwd") {
        "load the `ppolicy` overlay, which brings it; or correct the name"
    } else {
        "correct the name, or load the schema that defines it"
    }
}

fn of_attribute(
    home: &Home,
    one: &Attribute,
    kind: &AttributeType,
    unordered: &mut Vec<String>,
    found: &mut Vec<Finding>,
) {
    let name = one.name.as_str();
    let mut warn =
        |text: String, help: &str| found.push(Finding::warning(one.line, name, text, help));
    if one.values == Values::Many && kind.single_value {
        let text =
            format!("`{name}` has one value at most in this directory, and the line maps many");
        warn(
            text,
            "map one element, or use an attribute that takes many values",
        );
    }
    if one.created && kind.read_only && home.place.id != one.name {
        let text = format!("only the directory itself sets `{name}`");
        warn(text, "`direction: read`");
    }
    // 389 DS compares by the syntax where no rule is said, and Active Directory does not tell how it
    // compares. What no client names or may name is not asked about.
    if home.flavor != Flavor::OpenLdap || one.secret.is_some() || !one.filtered {
        return;
    }
    let Some(equality) = kind.equality.as_deref() else {
        let text = format!(
            "the schema does not say how values of `{name}` are compared (no equality matching \
             rule): filters on it are refused with 400, and single values of it cannot be \
             removed"
        );
        if one.syntax == Syntax::Binary {
            let help = "nothing needs to be done, unless clients ask so";
            found.push(Finding::note(one.line, name, text, help));
        } else {
            let help = "use another attribute, or give it an EQUALITY in the directory's schema";
            warn(text, help);
        }
        return;
    };
    if one.reference.is_some() {
        return;
    }
    let textual = TEXTUAL.iter().any(|start| equality.starts_with(start));
    if textual && kind.substrings.is_none() {
        let text = format!(
            "the schema does not say how parts of `{name}` are found (no substrings matching \
             rule): filters with `co`, `sw` and `ew` on it are refused with 400"
        );
        let help = "use another attribute, or give it a SUBSTR in the directory's schema";
        warn(text, help);
    }
    if kind.ordering.is_none() && !equality.starts_with("boolean") {
        unordered.push(name.to_owned());
    }
}

/// The class that an attribute brings with it.
fn needed_class(home: &Home, one: &Attribute, schema: &Schema, found: &mut Vec<Finding>) {
    let Some(name) = one.needs_class.as_deref() else {
        return;
    };
    let own = home.place.create.as_ref();
    let own = own.is_some_and(|create| create.object_classes.iter().any(|class| class == name));
    let (text, help) = match schema.class(name) {
        None => (
            format!("the directory's schema has no object class `{name}`"),
            "correct the name, or load the schema that defines it",
        ),
        Some(class) if class.kind != ClassKind::Auxiliary && !own => (
            format!("`{name}` is no auxiliary class, so it cannot be added to an entry"),
            "name an auxiliary class that allows the attribute",
        ),
        Some(_) => return,
    };
    found.push(Finding::warning(one.line, name, text, help));
}

fn of_classes(home: &Home, create: &Create, schema: &Schema, found: &mut Vec<Finding>) {
    let line = home.place.line;
    let mut warn = |word: &str, text: String, help: &str| {
        found.push(Finding::warning(line, word, text, help));
    };
    let mut classes: Vec<&str> = create.object_classes.iter().map(String::as_str).collect();
    let mut structural: Vec<&str> = Vec::new();
    let mut unknown = false;
    for name in &classes {
        match schema.class(name).map(|class| class.kind) {
            None => {
                unknown = true;
                let text = format!("the directory's schema has no object class `{name}`");
                warn(
                    name,
                    text,
                    "correct the name, or load the schema that defines it",
                );
            }
            Some(ClassKind::Abstract) if !name.eq_ignore_ascii_case("top") => {
                let text = format!("`{name}` is an abstract class: no entry is one by itself");
                warn(
                    name,
                    text,
                    "name a structural class that is a special case of it",
                );
            }
            Some(ClassKind::Structural) => structural.push(name),
            Some(ClassKind::Abstract | ClassKind::Auxiliary) => {}
        }
    }
    if structural.is_empty() && !unknown {
        let text = "none of these object classes is structural, and an entry needs one".to_owned();
        warn(
            "object_classes",
            text,
            "add what the entries are, such as `inetOrgPerson`",
        );
    }
    let related =
        |one: &str, other: &str| schema.is_kind_of(one, other) || schema.is_kind_of(other, one);
    let apart = structural.iter().enumerate().find_map(|(at, one)| {
        let others = structural.iter().skip(at + 1);
        others
            .filter(|other| !related(one, other))
            .map(|other| (*one, *other))
            .next()
    });
    if let Some((one, other)) = apart {
        let text = format!("`{one}` and `{other}` are both structural: an entry is one of them");
        warn(
            other,
            text,
            "leave one out, or use an auxiliary class in its place",
        );
    }
    if unknown {
        return;
    }
    let made = || {
        home.place
            .attributes
            .iter()
            .filter(|one| is_real(one) && one.created)
    };
    let given = |name: &str| {
        let own = HIDDEN
            .iter()
            .any(|hidden| hidden.eq_ignore_ascii_case(name));
        let placeholder = |one: &Attribute| {
            let reference = one.reference.as_ref();
            reference.is_some_and(|reference| reference.placeholder.is_some())
        };
        let written = home.place.attributes.iter().any(|one| {
            (one.created || placeholder(one)) && schema.is_same(one.name.as_str(), name)
        });
        own || written || schema.is_same(create.rdn.as_str(), name)
    };
    for name in schema.required(&classes) {
        let by_itself = home.flavor == Flavor::ActiveDirectory
            && GIVEN_BY_AD
                .iter()
                .any(|own| own.eq_ignore_ascii_case(&name));
        if !by_itself && !given(&name) {
            let usual = schema
                .attribute(&name)
                .and_then(|kind| kind.names.into_iter().next());
            let name = usual.unwrap_or(name);
            let text = format!(
                "entries of these object classes must have `{name}`, and no line writes it"
            );
            let help = format!("such as `{{scim: …, target: {name}, required: true}}`");
            warn("object_classes", text, &help);
        }
    }
    // Active Directory tells of the classes that it adds elsewhere.
    if home.flavor == Flavor::ActiveDirectory {
        return;
    }
    classes.extend(made().filter_map(|one| one.needs_class.as_deref()));
    for one in made() {
        let name = one.name.as_str();
        if schema.attribute(name).is_some() && !schema.allows(&classes, name) {
            let text = format!("none of the object classes of new entries allows `{name}`");
            let help = "add an auxiliary class that does to the line (`needs_class: …`) or to \
                        `object_classes`";
            found.push(Finding::warning(one.line, name, text, help));
        }
    }
}

/// Whether entries have it: not what postern computes.
fn is_real(one: &Attribute) -> bool {
    let reference = one.reference.as_ref();
    let inverse = reference.is_some_and(|reference| matches!(reference.by, By::Inverse(_)));
    !inverse && attribute::is_name(attribute::base(one.name.as_str()))
}

/// Equality rules of texts begin so.
const TEXTUAL: &[&str] = &["caseIgnore", "caseExact", "telephone", "numericString"];
/// What the driver writes.
const HIDDEN: &[&str] = &["objectClass"];
/// What Active Directory gives every entry.
const GIVEN_BY_AD: &[&str] = &[
    "nTSecurityDescriptor",
    "objectCategory",
    "instanceType",
    "objectSid",
    "sAMAccountName",
    "groupType",
    "cn",
];

#[cfg(test)]
mod tests;
