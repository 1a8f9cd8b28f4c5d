"""A large directory through postern: times, LDAP operations per SCIM request, memory.

usage: size.py --binary target/debug/postern [--users 100000] [--on slapd|389ds]

Starts a server with so many users, half of whom are in one group, and postern with the rule that is
shipped for it; both are ended by their pids. Fails where a walk misses a user, where a request takes
more operations than it may (as slapd counts them), or where postern takes more than 64 MiB over idle
at any time.
"""

import argparse
import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import servers

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BASE = "dc=example,dc=com"
MEMORY = 64 * 1024 * 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--on", choices=["slapd", "389ds"], default="slapd")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    # Who ends it early has what it started ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("it took too long"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-size-"))
    folder.chmod(0o755)
    binary = pathlib.Path(options.binary).resolve()
    with contextlib.ExitStack() as running:
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            world = World(folder, running, binary, options.users, options.on)
        except servers.Unavailable as why:
            print(f"skipped: {why}")
            return
        world.measure()


class World:
    def __init__(self, folder, running, binary, users, server):
        self.folder, self.users, self.members = folder, users, users // 2
        self.log = None
        begun = time.monotonic()
        {"slapd": self.slapd, "389ds": self.ds389}[server](running)
        took = time.monotonic() - begun
        print(
            f"{server} has {users} users and a group of {self.members} after {took:.1f} s, "
            f"load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        self.postern(running, binary)

    def entries(self, out, member_of):
        """Users, and the group `big` of the first half of them."""
        for number in range(self.users):
            out.write(
                f"dn: uid=u{number},ou=people,{BASE}\nobjectClass: inetOrgPerson\n"
                f"uid: u{number}\ncn: User {number}\nsn: Number {number}\n"
                f"givenName: User\nmail: u{number}@example.com\n"
                f"employeeNumber: {number}\ntitle: Title {number % 7}\n"
            )
            if member_of and number < self.members:
                out.write(f"memberOf: cn=big,ou=groups,{BASE}\n")
            out.write("\n")
        out.write(f"dn: cn=big,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: big\n")
        for number in range(self.members):
            out.write(f"member: uid=u{number},ou=people,{BASE}\n")
        out.write("\n")

    def slapd(self, running):
        for program in ["slapd", "slapadd", "openssl"]:
            servers.needs(program)
        place = self.folder
        servers.certificates(place)
        (place / "db").mkdir()
        text = (servers.HERE / "slapd.conf").read_text()
        text = text.replace("FOLDER", str(place)).replace("#TLS ", "")
        # Every operation is a line of the log.
        (place / "slapd.conf").write_text(text.replace("sizelimit", "loglevel stats\nsizelimit", 1))
        with (place / "people.ldif").open("w") as out:
            out.write((servers.HERE / "base.ldif").read_text().rstrip() + "\n\n")
            self.entries(out, True)
        servers.run(
            ["slapadd", "-q", "-f", place / "slapd.conf", "-l", place / "people.ldif"], place
        )
        port = servers.free_port()
        self.log = place / "log"
        servers.start(
            ["slapd", "-d", "stats", "-f", place / "slapd.conf",
             "-h", f"ldaps://127.0.0.1:{port}"],
            place,
            running,
        )  # fmt: skip
        servers.wait_for(port, place)
        self.rule = ("openldap", "ldaps://ldap1.example.com, ldaps://ldap2.example.com")
        self.told = {
            "ldaps": f"ldaps://localhost:{port}",
            "bind_dn": f"cn=admin,{BASE}",
            "ca": f"{place}/ca.pem",
        }

    def ds389(self, running):
        self.told = servers.ds389(self.folder, running)
        self.rule = ("389ds", "ldap://ds1.example.com, ldap://ds2.example.com")
        text = io.StringIO()
        self.entries(text, False)
        where = ["-H", self.told["url"], "-D", self.told["bind_dn"]]
        servers.apply(self.folder, where, text.getvalue())

    def postern(self, running, binary):
        place = self.folder / "postern"
        (place / "rules").mkdir(parents=True)
        servers.certificates(place)
        servers.secret(place / "password", servers.PASSWORD)
        self.public, probe, control = (servers.free_port() for _ in range(3))
        name, urls = self.rule
        self.base = f"/{name}/scim/v2"
        rule = (ROOT / f"rules/{name}.yaml").read_text()
        for old, new in [
            ("https://scim.example.com", f"https://localhost:{self.public}"),
            (urls, self.told["ldaps"]),
            ("    starttls: true\n", ""),
            ("cn=postern,ou=services,dc=example,dc=com", self.told["bind_dn"]),
            (f"/run/secrets/{name}", str(place / "password")),
            ("# ca_file: ca.pem", f"ca_file: {self.told['ca']}"),
        ]:
            assert old in rule or not new, old
            rule = rule.replace(old, new)
        (place / f"rules/{name}.yaml").write_text(rule)
        (place / "postern.yaml").write_text(
            f'listen: {{public: "127.0.0.1:{self.public}", probe: "127.0.0.1:{probe}", '
            f'control: "127.0.0.1:{control}"}}\n'
            f"tls: {{certificate: {place}/server.pem, key: {place}/server.key}}\n"
        )
        access = (
            "roles: {all: {allow: [{resources: [User, Group], "
            "verbs: [create, read, update, delete]}]}}\n"
            'accounts: [{name: me, roles: [all], tenants: "*", tokens: [{id: k1, sha256: "HASH"}]}]\n'
        )
        (place / "access.yaml").write_text(access.replace("HASH", "0" * 64))
        made = subprocess.run(
            [binary, "token", "new", "--account", "me", "--id", "k2"],
            cwd=place, capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.token = re.search(r"postern_k2_\S+", made.stderr)[0]
        hashed = re.search(r"[0-9a-f]{64}", made.stdout)[0]
        access = access.replace("k1", "k2").replace("HASH", hashed)
        (place / "access.yaml").write_text(access)
        with (place / "log").open("wb") as log:
            child = subprocess.Popen(
                [binary, "serve", "--config", "postern.yaml"],
                cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        running.callback(servers.stop, child)
        self.pid = child.pid
        servers.wait_for(self.public, place)
        self.trust = ssl.create_default_context(cafile=place / "ca.pem")

    def get(self, path, **query):
        return json.loads(self.ask("GET", path, None, **query))

    def patch(self, path, *operations):
        schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
        self.ask("PATCH", path, {"schemas": [schema], "Operations": operations})

    def ask(self, method, path, body, **query):
        url = f"https://localhost:{self.public}{self.base}{path}"
        url += "?" + urllib.parse.urlencode(query)
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/scim+json"
        request = urllib.request.Request(url, body, headers, method=method)
        with urllib.request.urlopen(request, context=self.trust, timeout=120) as answer:
            return answer.read()

    def memory(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        number = lambda key: int(re.search(rf"{key}:\s+(\d+)", status)[1]) * 1024  # noqa: E731
        return number("VmRSS"), number("VmHWM")

    def operations(self):
        # Questions and changes only: binds and looks at the root entry belong to connections.
        text = self.log.read_text(errors="replace") if self.log else ""
        return len(re.findall(r' (?:SRCH base|ADD dn|MOD dn|DEL dn|MODRDN dn)="[^"]*ou=', text))

    def timed(self, what, ask, rounds=20):
        ask(0)
        before = self.settled()
        times = []
        for number in range(1, rounds + 1):
            begun = time.monotonic()
            ask(number)
            times.append((time.monotonic() - begun) * 1000)
        operations = (self.settled() - before) / rounds
        print(
            f"{what}: p50 {statistics.median(times):.1f} ms, at most {max(times):.1f} ms"
            f"{self.said(operations)}",
            flush=True,
        )
        return operations if self.log else None

    def said(self, operations):
        return f", {operations:.2f} LDAP operations each" if self.log else ""

    def settled(self):
        """The count of operations, once the log has caught up."""
        last = -1
        while self.log and (now := self.operations()) != last:
            last = now
            time.sleep(0.2)
        return last

    def measure(self):
        self.get("/ServiceProviderConfig")
        # At first the rule is compared with the directory.
        before = -1
        while before != (before := self.settled()):
            time.sleep(2)
        self.idle, _ = self.memory()
        user = lambda n: n * 7919 % self.users  # noqa: E731
        one = self.get("/Users", filter='userName eq "u7"')
        assert one["totalResults"] == 1, one
        bare = {"excludedAttributes": "groups"}
        by_name = self.timed(
            "by userName, without groups",
            lambda n: self.get("/Users", filter=f'userName eq "u{user(n)}"', **bare),
        )
        self.timed(
            "by userName", lambda n: self.get("/Users", filter=f'userName eq "u{user(n)}"')
        )
        page = self.get("/Users", startIndex=1, count=50, **bare)
        ids = [resource["id"] for resource in page["Resources"]]
        by_id = self.timed(
            "by id, without groups", lambda n: self.get(f"/Users/{ids[n % 50]}", **bare)
        )
        assert by_name in (1, None) and by_id in (1, None), (by_name, by_id)
        self.one_user(user)
        self.group()
        self.walk(100)
        self.walk(1000)
        now, peak = self.memory()
        print(
            f"memory: {self.idle / 2**20:.1f} MiB idle, {now / 2**20:.1f} MiB now, "
            f"{self.over():.1f} MiB over idle at most; load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        if peak - self.idle > MEMORY:
            sys.exit("postern takes too much memory")

    def one_user(self, user):
        """Made, changed and removed, without what other entries tell of them."""
        bare = {"excludedAttributes": "groups"}
        made = []

        def make(number):
            body = {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": f"new-{number}",
                "name": {"familyName": "New", "givenName": "User"},
                "externalId": f"new-{number}",
            }
            made.append(json.loads(self.ask("POST", "/Users", body, **bare))["id"])

        title = {"op": "replace", "path": "title"}
        schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
        body = lambda n: {"schemas": [schema], "Operations": [{**title, "value": f"T{n}"}]}  # noqa: E731
        path = lambda n: f"/Users/{made[n]}"  # noqa: E731
        for what, ask, most in [
            ("create a user", make, 1),
            ("update a user", lambda n: self.ask("PATCH", path(n), body(n), **bare), 2),
            ("delete a user", lambda n: self.ask("DELETE", path(n), None), 2),
        ]:
            operations = self.timed(what, ask)
            assert operations is None or operations <= most, (what, operations)

    def group(self):
        """A group of very many: one member comes and goes, and all are read."""
        found = self.get(
            "/Groups", filter='displayName eq "big"', excludedAttributes="members"
        )
        path = f"/Groups/{found['Resources'][0]['id']}"
        last = f'userName eq "u{self.users - 1}"'
        last = self.get("/Users", filter=last, attributes="userName")["Resources"][0]["id"]
        member = {"path": "members", "value": [{"value": last}]}
        # As often, so that the one after the other finds what it changes.
        both = lambda n: self.patch(path, {"op": "add" if n % 2 else "remove", **member})  # noqa: E731
        operations = self.timed("add or remove one member", both)
        assert operations is None or operations <= 3, operations
        operations = self.timed(
            "read the group without members",
            lambda _: self.get(path, excludedAttributes="members"),
        )
        assert operations in (1, None), operations
        begun, before = time.monotonic(), self.settled()
        group = self.get(path)
        took = time.monotonic() - begun
        assert len(group["members"]) == self.members, len(group["members"])
        print(
            f"read the group of {self.members}: {took:.2f} s"
            f"{self.said(self.settled() - before)}, {self.over():.1f} MiB over idle at most so far",
            flush=True,
        )

    def over(self):
        return (self.memory()[1] - self.idle) / 2**20

    def walk(self, count):
        before, begun = self.settled(), time.monotonic()
        seen, pages, slowest = set(), 0, 0.0
        while True:
            asked = time.monotonic()
            page = self.get(
                "/Users", startIndex=len(seen) + 1, count=count, attributes="userName"
            )
            if pages:
                slowest = max(slowest, time.monotonic() - asked)
            else:
                first = time.monotonic() - asked
            pages += 1
            told = {resource["userName"] for resource in page["Resources"]}
            assert not told & seen
            seen |= told
            if len(seen) >= page["totalResults"]:
                break
        took = time.monotonic() - begun
        assert len(seen) == self.users, len(seen)
        operations = self.settled() - before
        print(
            f"a walk by {count}: {pages} pages in {took:.1f} s, the first {first * 1000:.0f} ms, "
            f"the slowest other {slowest * 1000:.0f} ms"
            f"{self.said(operations / pages)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
