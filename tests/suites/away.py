"""What postern tells of a directory that is in trouble, and how it goes on without it: by the whole
program, with a slapd of the test's own that is stopped and started again."""

import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import lives
import servers
import shipped
from entries import Entries

PATIENCE = 40.0


def a_preferred_server_goes_and_comes_back(told, binary):
    """Two servers, the first a door to the second: reads and writes go on, and back in the end."""
    with door_to(told) as door, through(binary, told, [door.url, told["ldaps"]], FAIL_BACK) as postern:
        peer = lives.Peer("slapd", Entries(told), postern)
        made = peer.make()
        assert in_use(postern) == door.url, status(postern)
        assert status(postern)["server"]["offers"], status(postern)
        door.close()
        # Reads are asked again elsewhere: not one fails.
        for _ in range(5):
            peer.scim.get(f"/Users/{made['id']}").is_(200)
        changed = peer.scim.patch(f"/Users/{made['id']}", ("replace", "title", "x"))
        assert changed.is_(200)["title"] == "x"
        assert in_use(postern) == told["ldaps"], status(postern)
        assert status(postern)["health"] == "up", status(postern)
        door.open()
        wait(lambda: in_use(postern) == door.url, "it does not go back")
        peer.make()
        peer.clean()


def a_directory_that_is_down_is_told(told, binary):
    """Readiness, status and metrics tell that a server is away, and that it is back."""
    with door_to(told) as door, through(binary, told, [door.url], "", READY) as postern:
        peer = lives.Peer("slapd", Entries(told), postern)
        made = peer.make()
        wait(lambda: ready(postern) == 200, "it is not ready")
        assert metric(postern, "postern_directory_up") == 1, "up is not told"
        door.close()
        assert peer.scim.get(f"/Users/{made['id']}").status in (502, 503, 504)
        wait(lambda: ready(postern) == 503, "it is ready without a directory")
        assert status(postern)["health"] == "down" and status(postern)["reason"], status(postern)
        assert metric(postern, "postern_directory_up") == 0, "down is not told"
        door.open()
        wait(lambda: ready(postern) == 200, "it is not ready again")
        assert metric(postern, "postern_directory_up") == 1, "up is not told again"
        peer.scim.get(f"/Users/{made['id']}").is_(200)
        peer.clean()


def a_wrong_password_is_told(told, binary):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "password"
        file.touch(0o600)
        file.write_text("not-the-password")
        wrong = told | {"password_file": str(file)}
        with through(binary, wrong, [told["ldaps"]], "", READY) as postern:
            wait(lambda: status(postern)["health"] == "down", "a wrong password is up")
            told_why = status(postern)["reason"]
            assert "invalidCredentials" in told_why or "password" in told_why, told_why
            assert "not-the-password" not in postern.log.read_text()
            assert ready(postern) == 503
            peer = lives.Peer("slapd", Entries(told), postern)
            answer = peer.scim.get("/Users")
            assert answer.status in (502, 503), answer


def a_strange_certificate_is_told(told, binary):
    """A directory whose certificate another authority signed is not talked to."""
    with tempfile.TemporaryDirectory() as folder:
        servers.certificate(folder)
        strange = told | {"ca": f"{folder}/cert.pem"}
        with through(binary, strange, [told["ldaps"]], "", READY) as postern:
            wait(lambda: status(postern)["health"] == "down", "a strange certificate is up")
            assert "certificate" in status(postern)["reason"], status(postern)
            assert ready(postern) == 503
            peer = lives.Peer("slapd", Entries(told), postern)
            assert peer.scim.get("/Users").status in (502, 503)


def an_expired_certificate_is_told(told, binary):
    """So is one that has ended."""
    with tempfile.TemporaryDirectory() as folder:
        expired(folder, told)
        with door_to(told, folder) as door:
            ended = told | {"ca": f"{folder}/ca.pem"}
            with through(binary, ended, [door.url], "", READY) as postern:
                wait(lambda: status(postern)["health"] == "down", "an expired certificate is up")
                reason = status(postern)["reason"]
                assert "expired" in reason.lower(), reason
                assert ready(postern) == 503


CHECKS = [
    a_preferred_server_goes_and_comes_back,
    a_directory_that_is_down_is_told,
    a_wrong_password_is_told,
    a_strange_certificate_is_told,
    an_expired_certificate_is_told,
]
FAIL_BACK = "    timeouts: {connect: 2s, fail_back: 500ms}\n"
READY = "ready: {directories: all}\n"


class Door:
    """Another slapd in front of the same entries: it hands everything on, until it is closed."""

    def __init__(self, command, port, folder):
        self.command, self.port, self.folder = command, port, folder
        self.url = f"ldaps://localhost:{port}"
        self.child = None

    def open(self):
        with (self.folder / "door.log").open("ab") as log:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait(lambda: listens(self.port), "the slapd in front does not listen")

    def close(self):
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child = None


@contextlib.contextmanager
def door_to(told, certificates=None):
    """A slapd of back-ldap before the directory; ended by its pid."""
    with tempfile.TemporaryDirectory(prefix="postern-door-") as folder:
        folder = pathlib.Path(folder)
        port = servers.free_port()
        certificates = pathlib.Path(certificates or pathlib.Path(told["ca"]).parent)
        (folder / "slapd.conf").write_text(
            DOOR.format(
                folder=folder, url=told["url"], base=told["base"], certificates=certificates
            )
        )
        door = Door(
            ["slapd", "-d", "0", "-f", folder / "slapd.conf", "-h", f"ldaps://127.0.0.1:{port}"],
            port,
            folder,
        )
        door.open()
        try:
            yield door
        finally:
            door.close()


DOOR = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_ldap
pidfile {folder}/slapd.pid
TLSCACertificateFile {certificates}/ca.pem
TLSCertificateFile {certificates}/server.pem
TLSCertificateKeyFile {certificates}/server.key
database ldap
suffix "{base}"
uri "{url}"
rebind-as-user yes
"""


@contextlib.contextmanager
def through(binary, told, urls, backend="", more=""):
    """postern with the shipped rule, these servers, and more lines below `backend` and in
    `postern.yaml`."""
    rule = shipped.rule("slapd", told)
    rule = shipped.replace(rule, r"urls: \[[^]]*\]", f"urls: [{', '.join(urls)}]")
    rule = rule.replace("    flavor: openldap\n", "    flavor: openldap\n" + backend)
    with tempfile.TemporaryDirectory(prefix="postern-away-") as folder:
        with servers.serve(folder, binary, rule, more) as postern:
            yield postern
            code = postern.stop()
            words = postern.log.read_text(errors="replace")
            assert code == 0 and "panicked" not in words, postern.tail()


def fetch(address, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode()


def status(postern):
    code, text = fetch(postern.told["control"], "/status")
    assert code == 200, text
    return json.loads(text)["tenants"][0]["directory"]


def in_use(postern):
    return status(postern)["server"]["in_use"]


def ready(postern):
    return fetch(postern.told["probe"], "/readyz")[0]


def metric(postern, name):
    """The value of a family with one series."""
    text = fetch(postern.told["probe"], "/metrics")[1]
    found = re.search(rf"(?m)^{name}(?:{{[^}}]*}})? (\S+)$", text)
    assert found, f"there is no {name}"
    return float(found[1])


def listens(port):
    import socket

    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait(condition, otherwise):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(otherwise)


def expired(folder, told):
    """A CA, and a server's certificate of it that ended long ago."""
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    servers.run(
        ["openssl", "req", "-x509", *ec, "-days", "2", "-subj", "/CN=the tests' CA",
         "-keyout", "ca.key", "-out", "ca.pem"], folder)  # fmt: skip
    servers.run(
        ["openssl", "req", *ec, "-subj", "/CN=localhost", "-keyout", "server.key",
         "-out", "server.csr"], folder)  # fmt: skip
    place = pathlib.Path(folder)
    (place / "index").touch()
    (place / "serial").write_text("01\n")
    (place / "ca.cnf").write_text(EXPIRED)
    servers.run(
        ["openssl", "ca", "-batch", "-config", "ca.cnf", "-in", "server.csr", "-out", "server.pem",
         "-notext", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"], folder)  # fmt: skip


EXPIRED = """\
[ca]
default_ca = here
[here]
database = index
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = DNS:localhost
"""
