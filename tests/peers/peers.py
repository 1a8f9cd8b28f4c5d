"""Takes tokens from Canaille, a real identity server, and calls postern with them: JWTs by its keys,
opaque ones by asking it (RFC 7662). Then it changes its keys, and goes away.
"""

import argparse
import base64
import json
import pathlib
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "suites"))

import servers  # noqa: E402
from canaille_server import CLIENT, PASSWORD, PERSON, SECRET  # noqa: E402

TRUST = """\
  - name: by-keys
    roles: [provisioner]
    tenants: [suite]
    claims: [{trust: canaille, sub: PERSON}]
  - name: by-asking
    roles: [provisioner]
    tenants: [suite]
    claims: [{trust: canaille-opaque, client_id: CLIENT}]
trust:
  - {name: canaille, issuer: "URL", audience: [CLIENT], jwks: {url: "JWKS"}}
  - name: canaille-opaque
    introspect: {url: "INTROSPECT", client_id: CLIENT, client_secret_file: client.secret}
    audience: [CLIENT]
"""


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True, type=pathlib.Path)
    binary = options.parse_args().binary.resolve()
    servers.forget_proxies()
    results = Results()
    with tempfile.TemporaryDirectory(prefix="postern-peers-") as folder:
        with Canaille(folder) as canaille, servers.directory(folder, "rfc") as directory:
            servers.ACCESS += canaille.trust()
            (pathlib.Path(folder) / "client.secret").write_text(f"{SECRET}\n")
            with servers.gateway(folder, binary, "identity", directory.url) as door:
                talk(canaille, door, results)
                results.hold("postern ends well", door.stop() == 0)
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed else 0


def talk(canaille, door, results):
    jwt, opaque = canaille.by_password(), canaille.by_credentials()
    results.hold("the one is a JWT", jwt.count(".") == 2, jwt)
    results.hold("the other is not", "." not in opaque, opaque)
    results.hold("a JWT of Canaille lets in", call(door, jwt) == 200, call(door, jwt))
    results.hold("and again", call(door, jwt) == 200)
    results.hold("an opaque token of Canaille lets in", call(door, opaque) == 200, call(door, opaque))
    header, claims, signature = jwt.split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "=="))
    other["sub"] = "somebody"
    other = base64.urlsafe_b64encode(json.dumps(other).encode()).decode().rstrip("=")
    results.hold("other claims do not", call(door, f"{header}.{other}.{signature}") == 401)
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    results.hold("no signature does not", call(door, f"{none}.{claims}.") == 401)
    results.hold("an invented token does not", call(door, "invented") == 401)

    canaille.change_keys()
    new = canaille.by_password()
    results.hold("a token of a new key lets in", call(door, new) == 200, call(door, new))
    results.hold("one of the old key does not any more", call(door, jwt) == 401, call(door, jwt))

    later = canaille.by_credentials()
    canaille.stop()
    results.hold("without Canaille its keys do", call(door, new) == 200, call(door, new))
    results.hold("what was told holds for a while", call(door, opaque) == 200)
    results.hold("what was not asked is 503", call(door, later) == 503, call(door, later))


def call(door, token):
    request = urllib.request.Request(f"{door.url}/Users?count=1")
    request.add_header("Authorization", f"Bearer {token}")
    context = ssl.create_default_context(cafile=door.ca)
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Canaille(servers.Process):
    """The server of `canaille_server.py`."""

    def __init__(self, folder):
        self.name = "canaille"
        self.log = pathlib.Path(folder) / "canaille.log"
        self.child = subprocess.Popen(
            [sys.executable, HERE / "canaille_server.py"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("ab"),
        )
        self.url = self.json_line()["url"]
        with urllib.request.urlopen(f"{self.url}/.well-known/openid-configuration") as answer:
            self.metadata = json.load(answer)

    def trust(self):
        text = TRUST
        for name, value in [
            ("URL", self.metadata["issuer"]),
            ("JWKS", self.metadata["jwks_uri"]),
            ("INTROSPECT", self.metadata["introspection_endpoint"]),
            ("CLIENT", CLIENT),
            ("PERSON", PERSON),
        ]:
            text = text.replace(name, value)
        return text

    def change_keys(self):
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()
        self.json_line()

    def by_password(self):
        return self.token(grant_type="password", username=PERSON, password=PASSWORD)

    def by_credentials(self):
        return self.token(grant_type="client_credentials")

    def token(self, **form):
        body = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.metadata["token_endpoint"], data=body)
        pair = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["access_token"]


class Results:
    """Counts, and says what failed."""

    def __init__(self):
        self.passed = self.failed = 0

    def hold(self, what, holds, found=None):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {what}: {found!r}")


if __name__ == "__main__":
    sys.exit(main())
