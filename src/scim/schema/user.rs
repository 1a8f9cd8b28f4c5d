//! User and its enterprise extension (RFC 7643 §4.1, §4.3, §8.7.1).
//!
//! The RFC's table says `caseExact: false` of every reference, binary and id of another resource;
//! its text (§2.3.6, §2.3.7, §3.1) says that these are compared with case, and the text stands: two
//! ids that differ in case are two resources.

use std::sync::{Arc, LazyLock};

use super::common::{define, plural, primary, string};
use super::{
    Attribute, ENTERPRISE_USER, Kind, Mutability, Returned, Schema, TypeSchema, USER, Uniqueness,
};
use crate::scim::name::{ResourceType, SchemaUri};

/// RFC 7643's User with the enterprise extension, whole.
#[must_use]
pub fn user() -> TypeSchema {
    USER_TYPE.clone()
}

static USER_TYPE: LazyLock<TypeSchema> = LazyLock::new(|| TypeSchema {
    name: ResourceType::known("User"),
    endpoint: Arc::from("Users"),
    description: Arc::from("A person or service with an account."),
    base: Arc::new(Schema::new(
        SchemaUri::known(USER),
        "User",
        "A person or service with an account.",
        attributes(),
    )),
    extensions: vec![Arc::new(Schema::new(
        SchemaUri::known(ENTERPRISE_USER),
        "EnterpriseUser",
        "What an organization knows of a person who belongs to it.",
        enterprise(),
    ))],
});

fn attributes() -> Vec<Attribute> {
    let mut all = vec![
        string("userName", "The unique name that the user signs in with.")
            .required()
            .unique(Uniqueness::Server),
        define("name", Kind::Complex, "The parts of the person's name.").with(name()),
        string("displayName", "The name of the user for people to read."),
        string("nickName", "How the user is called in everyday life."),
        define("profileUrl", Kind::Reference, "A page about the user.").pointing_to(&["external"]),
        string("title", "The user's title, such as Vice President."),
        string(
            "userType",
            "How the user belongs to the organization, such as Contractor.",
        ),
        string(
            "preferredLanguage",
            "The languages that the user prefers, as in Accept-Language.",
        ),
        string(
            "locale",
            "The user's place, for how numbers and dates are written.",
        ),
        string(
            "timezone",
            "The user's time zone, as the IANA database names it.",
        ),
        define("active", Kind::Boolean, "Whether the user may sign in."),
        string(
            "password",
            "The user's password; it can be set and is never shown.",
        )
        .mutable(Mutability::WriteOnly)
        .returned(Returned::Never),
    ];
    all.extend(plurals());
    all
}

fn name() -> Vec<Attribute> {
    vec![
        string("formatted", "The whole name as it is written."),
        string("familyName", "The family name, or last name."),
        string("givenName", "The given name, or first name."),
        string("middleName", "The middle names."),
        string(
            "honorificPrefix",
            "What stands before the name, such as Dr.",
        ),
        string(
            "honorificSuffix",
            "What stands after the name, such as III.",
        ),
    ]
}

fn plurals() -> Vec<Attribute> {
    let photo =
        define("value", Kind::Reference, "The URL of the picture.").pointing_to(&["external"]);
    let certificate = define("value", Kind::Binary, "The certificate: DER in Base64.");
    vec![
        plural(
            "emails",
            "The user's e-mail addresses.",
            [
                string("value", "The address."),
                kind(&["work", "home", "other"]),
            ],
        ),
        plural(
            "phoneNumbers",
            "The user's telephone numbers.",
            [
                string("value", "The number."),
                kind(&["work", "home", "mobile", "fax", "pager", "other"]),
            ],
        ),
        plural(
            "ims",
            "The user's addresses for instant messages.",
            [
                string("value", "The address."),
                kind(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
            ],
        ),
        plural(
            "photos",
            "Pictures of the user.",
            [photo, kind(&["photo", "thumbnail"])],
        ),
        define("addresses", Kind::Complex, "The user's postal addresses.")
            .many()
            .with(address()),
        define(
            "groups",
            Kind::Complex,
            "The groups that the user belongs to.",
        )
        .many()
        .with(groups())
        .read_only(),
        plural(
            "entitlements",
            "What the user is entitled to.",
            [string("value", "The entitlement."), kind(&[])],
        ),
        plural(
            "roles",
            "The user's roles.",
            [string("value", "The role."), kind(&[])],
        ),
        plural(
            "x509Certificates",
            "The user's certificates.",
            [certificate, kind(&[])],
        ),
    ]
}

fn kind(values: &[&str]) -> Attribute {
    string("type", "What the value is for.").canonical(values)
}

// `primary` is not in the RFC's table, but in its example of a full user (§8.2).
fn address() -> Vec<Attribute> {
    vec![
        string("formatted", "The whole address, with line breaks."),
        string(
            "streetAddress",
            "Street and number, or what takes their place.",
        ),
        string("locality", "The city."),
        string("region", "The state or region."),
        string("postalCode", "The postal code."),
        string("country", "The country, as ISO 3166-1 alpha-2."),
        kind(&["work", "home", "other"]),
        primary(),
    ]
}

fn groups() -> Vec<Attribute> {
    vec![
        string("value", "The id of the group.").exact(),
        define("$ref", Kind::Reference, "The URI of the group.").pointing_to(&["User", "Group"]),
        string("display", "The name of the group for people to read."),
        string(
            "type",
            "Whether the user is a member itself or through another group.",
        )
        .canonical(&["direct", "indirect"]),
    ]
}

fn enterprise() -> Vec<Attribute> {
    vec![
        string(
            "employeeNumber",
            "The number that the organization gave to the person.",
        ),
        string("costCenter", "The cost center."),
        string("organization", "The organization."),
        string("division", "The division."),
        string("department", "The department."),
        define("manager", Kind::Complex, "Who the person reports to.").with(vec![
            string("value", "The id of the manager's user.").exact(),
            define("$ref", Kind::Reference, "The URI of the manager's user.")
                .pointing_to(&["User"]),
            string("displayName", "The manager's name for people to read.")
                .mutable(Mutability::ReadOnly),
        ]),
    ]
}
