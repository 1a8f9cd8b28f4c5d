"""What stands around a pod: a directory, certificates, a token, and a SCIM client that asks."""

import http.client
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading
import time

DIRECTORY_TOKEN = "only-the-directory-knows-this-one"
HOST = "scim.example.com"
PERSON = {
    "no": 1,
    "login": "babs",
    "surname": "Jensen",
    "given": "Barbara",
    "mail": "babs@example.com",
    "title": "Tour Guide",
    "status": "staff",
}
PATIENCE = 30.0


class Directory(http.server.BaseHTTPRequestHandler):
    """A directory of one person, which wants its own secret and knows no PATCH."""

    protocol_version = "HTTP/1.1"
    token = DIRECTORY_TOKEN

    def do_GET(self):
        """The person, or nothing."""
        if self.headers.get("Authorization") != f"Bearer {self.token}":
            return self.answer(401, {})
        if self.path.partition("?")[0] == "/api/people/1":
            return self.answer(200, PERSON)
        return self.answer(404, {})

    def answer(self, status, document):
        """Sends one answer."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


def directory(url, certificate):
    """Starts it in a thread, where the rule's URL says that it is."""
    secure = url.startswith("https:")
    port = int(re.search(r":(\d+)/", url).group(1)) if not secure else 443
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Directory)
    server.daemon_threads = True
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def certificate(folder, name, host, days=90):
    """A self-signed certificate: the paths of it and of its key."""
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ]
        + ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
        + ["-addext", "basicConstraints=critical,CA:FALSE", "-days", str(days)]
        + ["-out", str(paths[0]), "-keyout", str(paths[1])],
        check=True,
        capture_output=True,
    )
    return paths


def scim(path, secret, port=8443):
    """One request on a new connection: the status, the document, and the certificate seen."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with context.wrap_socket(plain, server_hostname=HOST) as tls:
        seen = ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))
        connection = http.client.HTTPConnection(HOST)
        connection.sock = tls
        headers = {"Authorization": f"Bearer {secret}", "Connection": "close"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), seen


def get(port, path):
    """A plain request to this machine: status and body. Status 0: nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def until(condition, what):
    """Asks again until it holds, for a generous while."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError(f"not after {PATIENCE:.0f} s: {what}")
