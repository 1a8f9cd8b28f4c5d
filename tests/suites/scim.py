"""A SCIM client that says what it got."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers = status, headers
        self.json = json.loads(body) if body else None

    def __getitem__(self, name):
        return self.json[name]

    def get(self, name):
        return (self.json or {}).get(name)

    def is_(self, status, scim_type=None):
        """This answer, which must be of this status."""
        found = (self.status, self.get("scimType"))
        assert found == (status, scim_type), f"{status} {scim_type or ''} was due: {self}"
        return self

    def __str__(self):
        return f"{self.status} {json.dumps(self.json)[:600]}"


class Scim:
    """A client of one tenant."""

    def __init__(self, door):
        self.door = door
        context = ssl.create_default_context(cafile=str(door.ca))
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def call(self, method, path, body=None, **headers):
        request = urllib.request.Request(
            self.door.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.door.token}",
                "Content-Type": "application/scim+json",
            }
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with self.opener.open(request, timeout=40) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as answer:
            with answer:
                return Answer(answer.code, answer.headers, answer.read())

    def get(self, path, **query):
        return self.call("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path, body):
        return self.call("POST", path, body)

    def put(self, path, body, **headers):
        return self.call("PUT", path, body, **headers)

    def delete(self, path, **headers):
        return self.call("DELETE", path, **headers)

    def patch(self, path, *operations, **headers):
        """PATCH with operations given as (op, path, value)."""
        said = []
        for op, at, *value in operations:
            said.append({"op": op} | ({"path": at} if at else {}))
            if value:
                said[-1]["value"] = value[0]
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": said}, **headers)

    def ids(self, kind, filter):
        """The ids of those that a filter finds."""
        found = self.get(f"/{kind}", filter=filter).is_(200)
        assert found["totalResults"] == len(found.get("Resources") or []), found
        return [one["id"] for one in found.get("Resources") or []]
