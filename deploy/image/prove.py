#!/usr/bin/env python3
"""Runs the program of an image as a pod would, and a request through it to a directory by name.

usage: deploy/image/prove.py IMAGE.tar [--alone]

The image is an OCI archive. What is proved: it says of itself what deploy/README.md promises; the
program starts with its root read-only, as 65532, without a privilege; it finds directories by name
(A, AAAA, both, by TCP, a search list, /etc/hosts) and trusts them by the CA certificates of the image.
Everything happens in a network namespace of its own, so that DNS can have port 53. Needs root and
crun. Ends with a line of counts.
"""

import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import socketserver
import ssl
import struct
import sys
import tempfile
import time

import around
from around import A, AAAA, DOMAIN
from oci import PATIENCE, Container, Image

TOKEN = "postern_k1_" + 49 * "0"
DIRECTORY_TOKEN = "only-the-directory-knows"
GATEWAY, PUBLIC, PROBE, DIRECTORY = "gateway.test", 8443, 9464, 10443
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
FILES = {"postern", BUNDLE}

# How each tenant's directory is named, and what DNS must have been asked for that.
FOUND = {
    "v4": (f"v4.{DOMAIN}", {(f"v4.{DOMAIN}", A, "UDP")}),
    "v6": (f"v6.{DOMAIN}", {(f"v6.{DOMAIN}", AAAA, "UDP")}),
    "both": (f"both.{DOMAIN}", {(f"both.{DOMAIN}", A, "UDP"), (f"both.{DOMAIN}", AAAA, "UDP")}),
    "large": (f"large.{DOMAIN}", {(f"large.{DOMAIN}", A, "TCP")}),
    "search": ("short", {(f"short.{DOMAIN}", A, "UDP")}),
    "hosts": (f"hosts.{DOMAIN}", set()),
}
TENANTS = {name: host for name, (host, _) in FOUND.items()} | {"nowhere": f"nowhere.{DOMAIN}"}


def main(archive):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        image = Image(archive, folder / "root")
        report = Report()
        promises(image, report)
        configuration(folder)
        start_around(folder, report)
        lone_check(image, folder, report)
        serving(image, folder, report)
        report.end()


class Report:
    """Counts what holds and what does not, and says so as it comes."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def holds(self, what, condition, otherwise=""):
        if condition:
            self.passed += 1
            print(f"  ok      {what}")
        else:
            self.failed += 1
            print(f"  FAILED  {what}: {otherwise}")

    def skip(self, what):
        self.skipped += 1
        print(f"  skipped {what}")

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(1 if self.failed else 0)


def promises(image, report):
    """What the image says of itself, and that nothing is in it but what is needed."""
    config = image.config
    wanted = {
        "User": "65532:65532",
        "Entrypoint": ["/postern"],
        "Cmd": ["serve", "--config", "/etc/postern/postern.yaml"],
        "ExposedPorts": {"8443/tcp": {}, "9464/tcp": {}},
        "Volumes": None,
        "Healthcheck": None,
    }
    for key, value in wanted.items():
        found = config.get(key)
        report.holds(f"image: {key} is {json.dumps(value)}", found == value, found)
    found = set(image.files)
    report.holds("image: two files, no shell among them", found == FILES, sorted(found))
    loose = [name for name, file in image.files.items() if file.mode & 0o6022 or file.uid]
    report.holds("image: all files root's own, none setuid or writable", not loose, loose)
    print(
        f"  image {image.packed / 1e6:.1f} MB packed, program {image.size('postern') / 1e6:.1f} MB,"
        f" CA certificates {image.size(BUNDLE) / 1e3:.0f} kB"
    )


def configuration(folder):
    """Certificates and the files of /etc/postern, laid out as deploy/kubernetes does."""
    hosts = sorted(TENANTS.values())
    around.certificates(folder / "ca", {"gateway": [GATEWAY], "directory": hosts})
    etc = folder / "etc"
    for part in ("rules", "access", "secrets"):
        (etc / part).mkdir(parents=True)
    shutil.copytree(folder / "ca" / "gateway", etc / "tls")
    files = {
        "postern.yaml": "listen: {probe: '0.0.0.0:9464'}\n"
        "tls: {certificate: tls/tls.crt, key: tls/tls.key}\n"
        "access: access/access.yaml\nworkers: 2\n",
        "access/access.yaml": ACCESS.format(hashlib.sha256(TOKEN.encode()).hexdigest()),
        "secrets/directory-token": DIRECTORY_TOKEN + "\n",
    }
    for name, host in TENANTS.items():
        files[f"rules/{name}.yaml"] = RULE.format(tenant=name, host=host, port=DIRECTORY)
    for name, text in files.items():
        (etc / name).write_text(text)
    for path in etc.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (folder / "hosts").write_text(around.HOSTS)
    (folder / "resolv.conf").write_text(around.RESOLV)
    bundle = folder / "root" / BUNDLE
    bundle = bundle.read_bytes() if bundle.exists() else b""
    (folder / "bundle.crt").write_bytes(bundle + (folder / "ca" / "tls.crt").read_bytes())


def start_around(folder, report):
    up_loopback()
    around.serve(socketserver.ThreadingUDPServer(("127.0.0.1", 53), around.Names))
    around.serve(socketserver.ThreadingTCPServer(("127.0.0.1", 53), around.NamesByTcp))
    around.serve(around.Tls("127.0.0.1", DIRECTORY, folder / "ca" / "directory"))
    try:
        around.serve(around.Tls("::1", DIRECTORY, folder / "ca" / "directory"))
    except OSError as error:
        report.skip(f"request: by name, v6: no IPv6 here: {error}")
        del FOUND["v6"]


def lone_check(image, folder, report):
    """`postern check` in the bare image: the rules have no `ca_file`, so it needs the bundle."""
    arguments = ["check", "--quiet", "--config", "/etc/postern/postern.yaml"]
    check = Container(image, folder, {"/etc/postern": folder / "etc"}, arguments)
    code = check.wait()
    report.holds("check: finds the CA certificates of the image", code == 0, check.said())


def serving(image, folder, report):
    mounts = {
        "/etc/postern": folder / "etc",
        "/etc/hosts": folder / "hosts",
        "/etc/resolv.conf": folder / "resolv.conf",
        f"/{BUNDLE}": folder / "bundle.crt",
    }
    program = Container(image, folder, mounts)
    try:
        until_ready(program)
        confined(program, report)
        for name, (host, asked) in FOUND.items():
            status, document = create(folder, name)
            sent = around.Directory.seen[-1] if around.Directory.seen else None
            good = (
                status == 201
                and document["userName"] == f"jo-{name}"
                and sent[:2] == (f"{host}:{DIRECTORY}", f"Bearer {DIRECTORY_TOKEN}")
                and sent[2]["login"] == f"jo-{name}"
            )
            report.holds(f"request: by name, {name}", good, f"{status} {document} {sent}")
            heard = {query for query in around.Names.asked if query[0].startswith(host)}
            if asked:
                report.holds(f"request: DNS was asked for it, {name}", asked <= heard, heard)
            else:
                report.holds(f"request: DNS was not asked for it, {name}", not heard, heard)
        status, document = create(folder, "nowhere")
        report.holds("request: no such name is no success", status in (502, 503), document)
        print(f"  PSS {program.memory()} KiB with 2 workers and {len(TENANTS)} tenants")
    finally:
        code = program.stop()
    report.holds("stop: SIGTERM ends it with 0", code == 0, f"{code}\n{program.said()}")


def until_ready(program):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and program.child.poll() is None:
        try:
            probe = http.client.HTTPConnection("127.0.0.1", PROBE, timeout=5)
            probe.request("GET", "/readyz")
            if probe.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"it does not get ready:\n{program.said()}")


def confined(program, report):
    """What the kernel says of the process, not what we asked for."""
    status = program.status()
    report.holds("run: as 65532", set(status["Uid"].split()) == {"65532"}, status["Uid"])
    held = {key: text for key, text in status.items() if key.startswith("Cap") and int(text, 16)}
    report.holds("run: without capabilities", not held, held)
    report.holds("run: without new privileges", status["NoNewPrivs"] == "1", status["NoNewPrivs"])
    report.holds("run: root is read-only", program.root_is_read_only())


def create(folder, tenant):
    """POST of a user by a SCIM client that checks the gateway's certificate."""
    trust = ssl.create_default_context(cafile=folder / "ca" / "tls.crt")
    with socket.create_connection(("127.0.0.1", PUBLIC), timeout=PATIENCE) as plain:
        connection = http.client.HTTPSConnection(GATEWAY, PUBLIC, timeout=PATIENCE)
        connection.sock = trust.wrap_socket(plain, server_hostname=GATEWAY)
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": f"jo-{tenant}",
        }
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}
        connection.request("POST", f"/{tenant}/scim/v2/Users", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)


def up_loopback():
    """`ip link set lo up`, without that program."""
    get, set_, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sH22x", b"lo", 0)
        (flags,) = struct.unpack("16xH22x", fcntl.ioctl(any_socket, get, name))
        fcntl.ioctl(any_socket, set_, struct.pack("16sH22x", b"lo", flags | up))


RULE = """\
tenant_url: https://gateway.test/{tenant}/scim/v2
backend:
  scim:
    url: "https://{host}:{port}"
    bearer_file: /etc/postern/secrets/directory-token
resources:
  User:
    entry: {{path: people, id: no}}
    attributes:
      - {{scim: userName, target: login, required: true}}
      - {{scim: externalId, target: foreign}}
    unmapped: drop
"""
ACCESS = """\
roles:
  provisioner: {{allow: [{{resources: [User], verbs: [create, read]}}]}}
accounts:
  - name: tester
    roles: [provisioner]
    tenants: "*"
    tokens:
      - {{id: k1, sha256: "{}"}}
"""

if __name__ == "__main__":
    if len(sys.argv) == 2:
        # crun 1.8 refuses a machine that has both generations of cgroups; in here it sees one.
        enter = 'mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null; exec "$@"'
        own = [sys.executable, __file__, sys.argv[1], "--alone"]
        os.execvp("unshare", ["unshare", "--net", "--mount", "sh", "-c", enter, "sh", *own])
    if len(sys.argv) == 3 and sys.argv[2] == "--alone":
        main(sys.argv[1])
    else:
        sys.exit(__doc__)
