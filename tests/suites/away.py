"""What postern tells of a directory that is in trouble, and how it goes on without it: by the whole
program, with a relay before slapd that is killed and started again."""

import asyncio
import contextlib
import json
import pathlib
import re
import socket
import subprocess
import sys
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
    with Relay(told) as door, through(binary, told, [door.url, told["ldaps"]], FAIL_BACK) as postern:
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
    with Relay(told) as door, through(binary, told, [door.url], "", READY) as postern:
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
        servers.certificate(pathlib.Path(folder))
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
        expired(folder)
        with slapd_with(folder) as url:
            ended = told | {"ca": f"{folder}/ca.pem"}
            with through(binary, ended, [url], "", READY) as postern:
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


class Relay:
    """A server that hands everything on to another, until it is closed: what a client sees of a
    server that is killed, with every connection at once."""

    def __init__(self, told):
        self.to = int(told["ldaps"].rsplit(":", 1)[1])
        self.port = servers.free_port()
        self.url = f"ldaps://localhost:{self.port}"
        self.child = None

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        self.child = subprocess.Popen([sys.executable, __file__, str(self.port), str(self.to)])
        wait(lambda: listens(self.port), "the relay does not listen")

    def close(self):
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child = None


async def relay(port, to):
    """The relay's own process."""

    async def copy(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def hand_on(reader, writer):
        there, out = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(copy(reader, out), copy(there, writer))

    server = await asyncio.start_server(hand_on, "127.0.0.1", port)
    await server.serve_forever()


@contextlib.contextmanager
def slapd_with(certificates):
    """A slapd with nothing in it but these certificates; gives its URL, ended by its pid."""
    folder = pathlib.Path(certificates)
    port = servers.free_port()
    (folder / "slapd.conf").write_text(DOOR.replace("FOLDER", str(folder)))
    url = f"ldaps://127.0.0.1:{port}"
    with servers.Process(
        "slapd", ["slapd", "-d", "0", "-f", folder / "slapd.conf", "-h", url], folder
    ):
        wait(lambda: listens(port), "slapd does not listen")
        yield url.replace("127.0.0.1", "localhost")


DOOR = """\
include /etc/ldap/schema/core.schema
pidfile FOLDER/slapd.pid
TLSCACertificateFile FOLDER/ca.pem
TLSCertificateFile FOLDER/server.pem
TLSCertificateKeyFile FOLDER/server.key
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


def expired(folder):
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

if __name__ == "__main__":
    asyncio.run(relay(*map(int, sys.argv[1:])))
