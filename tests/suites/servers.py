"""Starts what stands on both sides of a suite: scim2-server, and postern in front of it."""

import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import legacy

HERE = pathlib.Path(__file__).parent
DIRECTORY_TOKEN = "only-the-directory-knows-this-one"
PATIENCE = 30.0


class Failed(Exception):
    """Something that was to be started did not start, or did not end well."""


class Process:
    """A program that runs until the end of a `with`, its words kept in a file."""

    def __init__(self, name, command, folder, pipe=False, words=None):
        self.name = name
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.log.touch()
        self.child = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipe else self.log.open("ab"),
            stderr=words or self.log.open("ab"),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Asks it to end, by its own pid, and insists after a while. Returns the exit code."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
                raise Failed(f"{self.name} did not end on SIGTERM\n{self.tail()}") from None
        return self.child.returncode

    def tail(self, lines=30):
        """The last lines of what it said."""
        words = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {self.name}: {line}" for line in words[-lines:])

    def json_line(self):
        """The first line of its standard output, which must be JSON."""
        ready, _, _ = select.select([self.child.stdout], [], [], PATIENCE)
        line = self.child.stdout.readline() if ready else b""
        try:
            return json.loads(line)
        except ValueError:
            self.child.kill()
            raise Failed(
                f"{self.name} printed no line of JSON but {line!r}\n{self.tail()}"
            ) from None

    def wait_for_http(self, url):
        """Waits until something answers at the URL, whatever it says."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.child.poll() is not None:
                raise Failed(f"{self.name} ended at once\n{self.tail()}")
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        self.child.kill()
        raise Failed(f"{self.name} does not answer at {url}\n{self.tail()}")


def free_port():
    """A port that is free now. scim2-server and a Tenant URL must know theirs beforehand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def directory(folder, kind):
    """scim2-server with the RFC's schemas, or with those of `legacy`."""
    port = free_port()
    program = pathlib.Path(sys.executable).with_name("scim2-server")
    command = [program, "--port", port, "--bearer-token", DIRECTORY_TOKEN]
    if kind == "legacy":
        for option, content in [
            ("--schema", legacy.SCHEMAS),
            ("--resource-type", legacy.RESOURCE_TYPES),
        ]:
            file = pathlib.Path(folder) / f"legacy{option}.json"
            file.write_text(json.dumps(content))
            command += [option, file]
    process = Process("scim2-server", command, folder)
    process.url = f"http://127.0.0.1:{port}/v2"
    process.wait_for_http(f"{process.url}/ServiceProviderConfig")
    return process


def gateway(folder, binary, rule, directory_url, more=""):
    """`postern serve` with a rule of these tests in front of a directory."""
    text = (HERE / "rules" / f"{rule}.yaml").read_text()
    return serve(folder, binary, text.replace("DIRECTORY_URL", directory_url), more)


def serve(folder, binary, rule, more=""):
    """`postern serve` with one tenant of this rule, and more in its configuration."""
    folder = pathlib.Path(folder)
    port = free_port()
    tenant_url = f"https://localhost:{port}/suite/scim/v2"
    certificate(folder)
    (folder / "directory.token").write_text(f"{DIRECTORY_TOKEN}\n")
    (folder / "rules").mkdir()
    # Secrets are looked for beside the rule that names them.
    shutil.copy(folder / "directory.token", folder / "rules")
    text = rule.replace("TENANT_URL", tenant_url)
    (folder / "rules" / "suite.yaml").write_text(text)
    (folder / "access.yaml").write_text(ACCESS)
    (folder / "postern.yaml").write_text(POSTERN.replace("PORT", str(port)) + more)
    token = new_token(folder, binary)
    process = Process(
        "postern",
        [binary, "serve", "--config", "postern.yaml", "--json"],
        folder,
        pipe=True,
    )
    told = process.json_line()
    process.url, process.token, process.ca = tenant_url, token, folder / "cert.pem"
    process.told = told
    process.rule = text
    return process


def demo(folder, binary):
    """`postern demo`, with the directory that it embeds."""
    process = Process(
        "demo", [binary, "demo", "--json", "--port", "0"], folder, pipe=True
    )
    told = process.json_line()
    process.url, process.token, process.ca = (
        told["tenant_url"],
        told["token"],
        told["ca_file"],
    )
    return process


def certificate(folder):
    """A throw-away certificate for localhost that is its own authority."""
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
    ]  # fmt: skip
    run(command, folder)


def new_token(folder, binary):
    """A token for the account in `access.yaml`, by the command that people use."""
    command = [binary, "token", "new", "--access", "access.yaml", "--account", "suites", "--write"]
    done = run(command, folder)
    said = done.stderr + done.stdout
    found = re.search(r"\bpostern_[A-Za-z0-9_.\-]+", said)
    if not found:
        raise Failed(f"`postern token new` showed no token:\n{said}")
    return found.group()


def run(command, folder):
    """Runs a command to its end, which must be a good one."""
    command = [str(part) for part in command]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def forget_proxies():
    """Nothing here goes through a proxy of the machine's."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]


POSTERN = """\
listen: {public: "127.0.0.1:PORT", probe: "127.0.0.1:0", control: "127.0.0.1:0"}
tls: {certificate: cert.pem, key: key.pem}
rules: rules
access: access.yaml
"""

ACCESS = """\
roles:
  provisioner: {allow: [{resources: [User, Group], verbs: [create, read, update, delete]}]}
accounts:
  - name: suites
    roles: [provisioner]
    tenants: [suite]
    tokens: []
"""
