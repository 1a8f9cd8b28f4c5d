"""What stands around the program: names, certificates, a small directory, its own files."""

import http.server
import json
import pathlib
import socket
import socketserver
import ssl
import struct
import subprocess
import threading

DOMAIN = "directory.test"
A, AAAA = 1, 28

# What DNS knows. `hosts` is only in /etc/hosts, `nowhere` nowhere.
ADDRESSES = {
    (f"v4.{DOMAIN}", A): "127.0.0.1",
    (f"v6.{DOMAIN}", AAAA): "::1",
    (f"both.{DOMAIN}", A): "127.0.0.1",
    (f"both.{DOMAIN}", AAAA): "::1",
    (f"short.{DOMAIN}", A): "127.0.0.1",
    (f"large.{DOMAIN}", A): "127.0.0.1",
}
HOSTS = f"127.0.0.1 localhost\n127.0.0.1 hosts.{DOMAIN}\n"
# As Kubernetes writes it: every name is tried within the search list first.
RESOLV = f"nameserver 127.0.0.1\nsearch default.svc.test {DOMAIN}\noptions ndots:5\n"


class Names(socketserver.BaseRequestHandler):
    """A DNS server of the table above. `asked` is what it was asked."""

    asked = set()

    def handle(self):
        query, channel = self.request
        channel.sendto(self.answer(query, "UDP"), self.client_address)

    def answer(self, query, by):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, (kind,) = ".".join(labels).lower(), struct.unpack("!H", query[at + 1 : at + 3])
        self.asked.add((name, kind, by))
        # What does not fit into a datagram is asked for again by TCP.
        cut = name.startswith("large.") and by == "UDP"
        address = None if cut else ADDRESSES.get((name, kind))
        known = any(other == name for other, _ in ADDRESSES)
        flags = 0x8180 | (0x0200 if cut else 0) | (0 if known else 3)
        answer = query[:2] + struct.pack("!HHHHH", flags, 1, 1 if address else 0, 0, 0)
        answer += query[12 : at + 5]
        if address:
            family = socket.AF_INET if kind == A else socket.AF_INET6
            packed = socket.inet_pton(family, address)
            answer += struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(packed)) + packed
        return answer


class NamesByTcp(Names):
    """The same by TCP: every message after its length."""

    def handle(self):
        stream = self.request.makefile("rwb")
        while length := stream.read(2):
            answer = self.answer(stream.read(int.from_bytes(length, "big")), "TCP")
            stream.write(len(answer).to_bytes(2, "big") + answer)
            stream.flush()


class Directory(http.server.BaseHTTPRequestHandler):
    """A directory that takes people under other names. `seen` is what it was sent."""

    protocol_version = "HTTP/1.1"
    seen = []

    def do_POST(self):
        record = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers["Host"], self.headers["Authorization"], record))
        self.answer(201, record | {"no": f"n{len(self.seen)}"})

    def do_GET(self):
        self.answer(404, {})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Tls(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """An HTTPS server on one address."""

    daemon_threads = True

    def __init__(self, address, port, certificate):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), Directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
        # The handshake belongs to the connection's own thread, not to the one that accepts.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )


    def handle_error(self, *_):
        pass  # a handshake that fails is seen at the other end


def serve(server):
    """Runs a server until the end of the program."""
    threading.Thread(target=server.serve_forever, daemon=True).start()


def certificates(folder, names):
    """A CA in `folder`, and in `folder`/NAME a certificate and key of each name's hosts."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *key, "-subj", "/CN=A CA of this test", cwd=folder)
    for name, hosts in names.items():
        (folder / name).mkdir()
        sans = "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts)
        openssl(
            "req", "-x509", *key, "-subj", f"/CN={name}", "-addext", sans,
            "-addext", "basicConstraints=critical,CA:false",
            "-CA", folder / "tls.crt", "-CAkey", folder / "tls.key",
            cwd=folder / name,
        )  # fmt: skip


def openssl(*words, cwd):
    subprocess.run(
        ["openssl", *words, "-keyout", "tls.key", "-out", "tls.crt"],
        cwd=cwd,
        check=True,
        capture_output=True,
    )
