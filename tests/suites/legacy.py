"""An old directory's schemas, for scim2-server: other names, other nesting, another URN."""

PERSON = "urn:legacy:2.0:Person"
PAYROLL = "urn:legacy:2.0:Payroll"
TEAM = "urn:legacy:2.0:Team"


def attribute(name, kind="string", subs=(), **more):
    """One attribute definition (RFC 7643 section 7) with the usual characteristics."""
    definition = {
        "name": name,
        "type": kind,
        "multiValued": False,
        "description": name,
        "required": False,
        "mutability": "readWrite",
        "returned": "default",
    }
    if kind == "string":
        definition |= {"caseExact": False, "uniqueness": "none"}
    if kind == "reference":
        definition |= {"referenceTypes": ["external"], "caseExact": False}
    if subs:
        definition["subAttributes"] = list(subs)
    return definition | more


def labelled(name, *subs, **more):
    """A multi-valued complex attribute with the sub-attributes that RFC 7643 gives to most."""
    usual = [
        attribute("value"),
        attribute("display"),
        attribute("type"),
        attribute("primary", "boolean"),
    ]
    return attribute(name, "complex", subs or usual, multiValued=True, **more)


def schema(urn, name, attributes):
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": urn,
        "name": name,
        "description": name,
        "attributes": attributes,
    }


SCHEMAS = [
    schema(
        PERSON,
        "Person",
        [
            attribute("login", required=True, uniqueness="server"),
            attribute("foreignKey"),
            attribute("commonName"),
            attribute("surname"),
            attribute("forename"),
            attribute("middle"),
            attribute("alias"),
            attribute("jobTitle"),
            attribute("category"),
            attribute("homepage"),
            attribute("status"),
            attribute("origin"),
            attribute("secret", mutability="writeOnly", returned="never"),
            attribute("mail"),
            attribute("phones", multiValued=True),
            attribute("staffNumber"),
            attribute("boss"),
            attribute(
                "region",
                "complex",
                [attribute("locale"), attribute("zone"), attribute("language")],
            ),
            labelled(
                "postalAddresses",
                attribute("formatted"),
                attribute("streetAddress"),
                attribute("locality"),
                attribute("region"),
                attribute("postalCode"),
                attribute("country"),
                attribute("type"),
                attribute("primary", "boolean"),
            ),
            labelled("duties"),
        ],
    ),
    schema(PAYROLL, "Payroll", [attribute("unit"), attribute("costCentre")]),
    schema(
        TEAM,
        "Team",
        [
            attribute("foreignKey"),
            attribute("teamName", required=True),
            labelled(
                "people",
                attribute("value"),
                attribute("type"),
                attribute("display"),
            ),
        ],
    ),
]

RESOURCE_TYPES = [
    {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "Person",
        "name": "Person",
        "endpoint": "/People",
        "description": "Whoever works here",
        "schema": PERSON,
        "schemaExtensions": [{"schema": PAYROLL, "required": False}],
    },
    {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "Team",
        "name": "Team",
        "endpoint": "/Teams",
        "description": "Who works together",
        "schema": TEAM,
    },
]
