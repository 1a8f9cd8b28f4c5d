"""The documents of the measurement: a user of 1.4 KB in both vocabularies, and a list of 100."""

import json

PERSON = {
    "schemas": ["urn:legacy:2.0:Person"],
    "id": "one",
    "meta": {
        "resourceType": "Person",
        "created": "2026-01-23T04:56:22Z",
        "lastModified": "2026-05-13T04:42:34Z",
        "location": "http://127.0.0.1/v2/People/one",
        "version": 'W/"3694e05e9dff591"',
    },
    "login": "barbara.jensen@example.com",
    "foreignKey": "701984-4711-0815",
    "commonName": "Ms. Barbara J. Jensen",
    "surname": "Jensen",
    "forename": "Barbara",
    "fullName": "Barbara Jensen",
    "alias": "Babs",
    "jobTitle": "Tour guide, second shift",
    "category": "Employee",
    "status": "enabled",
    "mail": "barbara.jensen@example.com",
    "region": {"locale": "en-US", "zone": "America/Los_Angeles"},
    "phones": [
        {"value": "+1-555-555-5555", "type": "work", "primary": True},
        {"value": "+1-555-555-4444", "type": "mobile"},
    ],
    "duties": [
        {"value": "tour-guide", "display": "Guides visitors", "type": "job", "primary": True},
        {"value": "first-aid", "display": "Gives first aid", "type": "training"},
    ],
    "pictures": [
        {"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo"},
        {"value": "https://photos.example.com/profilephoto/72930000000Ccne/T", "type": "thumbnail"},
    ],
    "postalAddresses": [
        {
            "type": "work",
            "streetAddress": "100 Universal City Plaza",
            "locality": "Hollywood",
            "region": "CA",
            "postalCode": "91608",
            "country": "US",
            "formatted": "100 Universal City Plaza, Hollywood, CA 91608 US",
            "primary": True,
        },
        {
            "type": "home",
            "streetAddress": "456 Hollywood Boulevard",
            "locality": "Hollywood",
            "region": "CA",
            "postalCode": "91608",
            "country": "US",
        },
    ],
}

USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": PERSON["login"],
    "externalId": PERSON["foreignKey"],
    "displayName": PERSON["commonName"],
    "name": {"familyName": "Jensen", "givenName": "Barbara"},
    "nickName": "Babs",
    "title": PERSON["jobTitle"],
    "userType": "Employee",
    "active": True,
    "locale": "en-US",
    "timezone": "America/Los_Angeles",
    "emails": [{"value": PERSON["mail"], "type": "work"}],
    "phoneNumbers": PERSON["phones"],
    "roles": PERSON["duties"],
    "photos": PERSON["pictures"],
    "addresses": PERSON["postalAddresses"],
}

PATCH = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [
        {"op": "replace", "path": "title", "value": "Tour guide, first shift"},
        {"op": "replace", "path": "name.familyName", "value": "Jensen-Smith"},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "b@example.com"},
        {"op": "replace", "path": "active", "value": False},
        {"op": "add", "path": "nickName", "value": "Barb"},
    ],
}

CONFIG = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    "patch": {"supported": True},
    "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": True, "maxResults": 200},
    "changePassword": {"supported": False},
    "sort": {"supported": False},
    "etag": {"supported": False},
    "authenticationSchemes": [],
}


def people(count):
    """A list of people who differ where people do."""
    resources = []
    for number in range(count):
        login = f"user{number:04}@example.com"
        resources.append(PERSON | {"id": f"id-{number:08}", "login": login, "mail": login})
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": count,
        "startIndex": 1,
        "itemsPerPage": count,
        "Resources": resources,
    }


def dense(document):
    return json.dumps(document, separators=(",", ":"))
