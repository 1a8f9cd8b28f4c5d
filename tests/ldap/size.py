"""A large directory through postern: times, LDAP operations per SCIM request, memory.

usage: size.py --binary target/debug/postern [--users 100000]

Starts a slapd with so many users (slapadd), and postern with rules/openldap.yaml; both are ended by
their pids. Fails where a walk misses a user, where a request takes more operations than it may, or
where postern takes more than 64 MiB over idle.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import ssl
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
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    try:
        for program in ["slapd", "slapadd", "openssl"]:
            servers.needs(program)
    except servers.Unavailable as why:
        print(f"skipped: {why}")
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-size-"))
    with contextlib.ExitStack() as running:
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        world = World(folder, running, pathlib.Path(options.binary).resolve(), options.users)
        world.measure()


class World:
    def __init__(self, folder, running, binary, users):
        self.folder, self.users = folder, users
        servers.certificates(folder)
        self.slapd(running)
        self.postern(running, binary)

    def slapd(self, running):
        place = self.folder
        (place / "db").mkdir()
        text = (servers.HERE / "slapd.conf").read_text()
        text = text.replace("FOLDER", str(place)).replace("#TLS ", "")
        # Every operation is a line of the log.
        (place / "slapd.conf").write_text(text.replace("sizelimit", "loglevel stats\nsizelimit"))
        begun = time.monotonic()
        with (place / "people.ldif").open("w") as out:
            out.write((servers.HERE / "base.ldif").read_text().rstrip() + "\n\n")
            for number in range(self.users):
                out.write(
                    f"dn: uid=u{number},ou=people,{BASE}\nobjectClass: inetOrgPerson\n"
                    f"uid: u{number}\ncn: User {number}\nsn: Number {number}\n"
                    f"givenName: User\nmail: u{number}@example.com\n"
                    f"employeeNumber: {number}\ntitle: Title {number % 7}\n\n"
                )
        servers.run(
            ["slapadd", "-q", "-f", place / "slapd.conf", "-l", place / "people.ldif"], place
        )
        print(f"{self.users} users in slapd after {time.monotonic() - begun:.1f} s", flush=True)
        self.port = servers.free_port()
        self.log = place / "log"
        servers.start(
            ["slapd", "-d", "stats", "-f", place / "slapd.conf",
             "-h", f"ldaps://127.0.0.1:{self.port}"],
            place,
            running,
        )  # fmt: skip
        servers.wait_for(self.port, place)

    def postern(self, running, binary):
        place = self.folder / "postern"
        (place / "rules").mkdir(parents=True)
        servers.secret(place / "password", servers.PASSWORD)
        self.public, probe, control = (servers.free_port() for _ in range(3))
        rule = (ROOT / "rules/openldap.yaml").read_text()
        for old, new in [
            ("https://scim.example.com", f"https://localhost:{self.public}"),
            ("ldaps://ldap1.example.com, ldaps://ldap2.example.com",
             f"ldaps://localhost:{self.port}"),
            ("cn=postern,ou=services,dc=example,dc=com", f"cn=admin,{BASE}"),
            ("/run/secrets/openldap", str(place / "password")),
            ("# ca_file: ca.pem", f"ca_file: {self.folder}/ca.pem"),
        ]:  # fmt: skip
            assert old in rule, old
            rule = rule.replace(old, new)
        (place / "rules/openldap.yaml").write_text(rule)
        (place / "postern.yaml").write_text(
            f'listen: {{public: "127.0.0.1:{self.public}", probe: "127.0.0.1:{probe}", '
            f'control: "127.0.0.1:{control}"}}\n'
            f"tls: {{certificate: {self.folder}/server.pem, key: {self.folder}/server.key}}\n"
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
        self.trust = ssl.create_default_context(cafile=self.folder / "ca.pem")

    def get(self, path, **query):
        url = f"https://localhost:{self.public}/openldap/scim/v2{path}"
        url += "?" + urllib.parse.urlencode(query)
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, context=self.trust, timeout=120) as answer:
            return json.load(answer)

    def memory(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        number = lambda key: int(re.search(rf"{key}:\s+(\d+)", status)[1]) * 1024  # noqa: E731
        return number("VmRSS"), number("VmHWM")

    def operations(self):
        # Questions only: binds and looks at the root entry belong to connections.
        text = self.log.read_text(errors="replace")
        return len(re.findall(r' SRCH base="[^"]*ou=', text))

    def timed(self, what, ask, rounds=20):
        ask(0)
        before = self.settled()
        begun = time.monotonic()
        for number in range(rounds):
            ask(number)
        took = (time.monotonic() - begun) / rounds * 1000
        operations = (self.settled() - before) / rounds
        print(f"{what}: {took:.1f} ms, {operations:.2f} LDAP searches each", flush=True)
        return operations

    def settled(self):
        """The count of operations, once the log has caught up."""
        last = -1
        while (now := self.operations()) != last:
            last = now
            time.sleep(0.2)
        return now

    def measure(self):
        self.get("/ServiceProviderConfig")
        idle, _ = self.memory()
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
        assert by_name == 1 and by_id == 1, (by_name, by_id)
        self.walk(100)
        self.walk(1000)
        # All at once, streamed.
        begun = time.monotonic()
        everybody = self.get("/Users", **bare)
        count = len(everybody["Resources"])
        took = time.monotonic() - begun
        assert count == everybody["totalResults"] == self.users, count
        print(f"all in one answer: {took:.1f} s", flush=True)
        now, peak = self.memory()
        over = (peak - idle) / 1024 / 1024
        print(
            f"memory: {idle / 2**20:.1f} MiB idle, {now / 2**20:.1f} MiB now, "
            f"{over:.1f} MiB over idle at most",
            flush=True,
        )
        if peak - idle > MEMORY:
            sys.exit("postern takes too much memory")

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
            f"the slowest other {slowest * 1000:.0f} ms, "
            f"{operations / pages:.2f} LDAP searches each",
            flush=True,
        )


if __name__ == "__main__":
    main()
