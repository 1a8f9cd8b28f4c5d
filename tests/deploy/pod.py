"""A pod of a rendered overlay, lived through: start, a request, changes of what is mounted, the end.

    unshare --mount --net pod.py --overlay gateway --binary target/debug/postern --output FOLDER

Run by deploy.py, in namespaces of its own: paths, ports and addresses are those of the manifest.
Prints one line of JSON, what was checked and what was wrong; leaves /metrics in FOLDER.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import kubelet
import scraper
import world
from readme import Readme, files
from rendered import Rendered, examples

USER = "/people/scim/v2/Users/1"
# Some metrics are there for entries of `trust` only; nobody is asked before a token comes.
TRUST = """
trust:
  - name: signed
    issuer: https://id.example.com
    audience: [https://scim.example.com]
    jwks: {url: "https://id.example.com/keys"}
  - name: asked
    verify_token: {url: "https://fac.example.com/verify", client_id: postern}
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--overlay", required=True)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # On memory. Never emptied file by file, with the machine's own folders bound into it.
    folder = tempfile.mkdtemp(prefix="postern-pod-")
    kubelet.mount("-t", "tmpfs", "tmpfs", folder)
    try:
        story = Story(options, pathlib.Path(folder))
        story.tell()
        print(json.dumps(story.chapters))
    finally:
        subprocess.run(["umount", "--lazy", "--recursive", folder], check=True)
        os.rmdir(folder)
    return 0


class Story:
    """Chapter by chapter; the first that goes wrong is the last."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.overlay = Rendered.of(options.overlay)
        self.log = folder / "log"
        self.words = self.log.open("ab")
        self.chapters = {}
        self.child = None

    def tell(self):
        for chapter in (
            self.starts,
            self.serves,
            self.takes_a_rule,
            self.keeps_the_last_good_rule,
            self.takes_a_token,
            self.takes_a_certificate,
            self.is_scraped,
            self.stops,
        ):
            try:
                chapter()
                self.chapters[chapter.__name__] = None
            except (AssertionError, OSError, LookupError, subprocess.SubprocessError) as error:
                tail = self.log.read_text()[-2000:]
                self.chapters[chapter.__name__] = f"{type(error).__name__}: {error}\n{tail}"
                break
        if self.child:
            kubelet.stop(self.child, 1)

    def starts(self):
        """The check passes and the probes of the manifest get what they want."""
        folder = self.folder
        self.readme = Readme(folder, self.options.binary)
        access = examples()["postern-access"]["stringData"]["access.yaml"]
        (folder / "access.yaml").write_text(access + TRUST)
        (folder / "directory-token").write_text(f"{world.DIRECTORY_TOKEN}\n")
        self.certificate()
        self.readme.follow("Running it in Kubernetes")
        self.secret = self.readme.tokens["k1"]
        directory = world.certificate(folder, "directory", "directory.internal")
        shutil.copy(directory[0], folder / "authorities.pem")
        secrets = {name: files(one) for name, one in self.readme.secrets.items()}
        self.pod = kubelet.Pod(self.overlay, self.options.binary, folder, secrets)
        (self.rule_file, rule), *_ = self.overlay.rules().items()
        self.directory = world.directory(rule["backend"]["scim"]["url"], directory)
        check = self.pod.start("postern-check", self.words)
        assert check.wait(world.PATIENCE) == 0, "postern-check does not pass"
        container = self.overlay.container("postern")
        self.ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        self.child = self.pod.start("postern", self.words)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            ask = container[probe]["httpGet"]
            world.until(
                lambda ask=ask: self.alive() and self.probe(ask["path"])[0] == 200,
                f"{probe} is happy",
            )
        (self.options.output / f"{self.options.overlay}.fresh").write_text(self.metrics())

    def serves(self):
        """A request goes through to the directory and back, renamed."""
        status, document, _ = self.ask()
        assert status == 200, f"{status}: {document}"
        assert document["userName"] == "babs" and document["title"] == "Tour Guide", document

    def takes_a_rule(self):
        """A ConfigMap that changed serves: another revision, another answer."""
        before = self.revision()
        rules = self.overlay.one("ConfigMap", "postern-rules")["data"]
        text = rules[self.rule_file].replace("{scim: title, target: title}", "")
        assert text != rules[self.rule_file], "the rule has no title to leave out"
        text = text.replace("      - \n", "")
        self.pod.volumes["postern-rules"].write({self.rule_file: text})
        world.until(lambda: self.revision() != before, "another revision in /status")
        status, document, _ = self.ask()
        assert status == 200 and "title" not in document, f"{status}: {document}"

    def keeps_the_last_good_rule(self):
        """A broken one does not serve, is told, and takes nobody out of service."""
        before = self.revision()
        self.pod.volumes["postern-rules"].write({self.rule_file: "tenant_url: [\n"})
        failing = 'postern_config_last_reload_successful{source="rules"} 0'
        world.until(lambda: failing in self.metrics(), failing)
        assert self.revision() == before, "a broken rule changed the revision"
        assert self.ask()[0] == 200 and self.probe("/readyz")[0] == 200, "not ready any more"
        rules = self.overlay.one("ConfigMap", "postern-rules")["data"]
        self.pod.volumes["postern-rules"].write(rules)
        world.until(lambda: "title" in self.ask()[1], "the mended rule serves")

    def takes_a_token(self):
        """As README.md rotates one: both live, then the old one revoked."""
        old, title = self.secret, "Rotating a token without an outage"
        self.readme.follow(title)
        new = self.readme.tokens["k2"]
        self.mount_again("postern-access")
        world.until(lambda: self.ask(new)[0] == 200, "the new token is taken")
        assert self.ask(old)[0] == 200 and self.ask(new)[0] == 200, "not both are live"
        code, told = self.execute("ctl", "status")
        assert code == 0, f"`postern ctl status` ends with {code}: {told}"
        assert "entra-prod (k2)" in told, f"it does not say which key the client used last: {told}"
        self.readme.follow(title, block=1)
        self.mount_again("postern-access")
        world.until(lambda: self.ask(old)[0] == 401, "the old token is refused")
        self.secret = new
        assert self.ask()[0] == 200, "the new token is live"

    def takes_a_certificate(self):
        """New handshakes see the new one."""
        new = self.certificate()
        self.readme.follow("Rotating a certificate")
        self.mount_again("postern-tls")
        world.until(lambda: self.ask()[2] == new, "the new certificate is shown")

    def is_scraped(self):
        """What Prometheus reads, kept for who looks at expressions; and read by one."""
        (self.options.output / f"{self.options.overlay}.prom").write_text(self.metrics())
        if self.options.overlay == "gateway" and scraper.there():
            found = scraper.evaluate(self.folder, f"127.0.0.1:{self.ports['probe']}")
            (self.options.output / "evaluated.json").write_text(json.dumps(found))

    def stops(self):
        """SIGTERM: unready, but served for the grace; then the end with 0, before kubelet kills."""
        self.child.send_signal(kubelet.signal.SIGTERM)
        world.until(lambda: self.probe("/readyz")[0] == 503, "unready")
        assert self.ask()[0] == 200, "refused during the grace"
        # One signal only: a second one ends the grace.
        code = self.child.wait(self.overlay.pod["terminationGracePeriodSeconds"])
        assert code == 0, f"ended with {code}"

    def execute(self, *arguments):
        """`kubectl exec POD -c postern -- /postern …`: exit code and what it said."""
        child = self.pod.start("postern", subprocess.PIPE, arguments)
        said, _ = child.communicate(timeout=world.PATIENCE)
        return child.returncode, said.decode()

    def certificate(self):
        """A new pair in the files that README.md names."""
        return world.certificate(self.folder, "tls", world.HOST)[0].read_text()

    def mount_again(self, name):
        """What kubelet does some time after a Secret has changed."""
        self.pod.volumes[name].write(files(self.readme.secrets[name]))

    def alive(self):
        assert self.child.poll() is None, f"postern ended with {self.child.returncode}"
        return True

    def probe(self, path):
        return world.get(self.ports["probe"], path)

    def metrics(self):
        return self.probe("/metrics")[1]

    def ask(self, secret=None):
        return world.scim(USER, secret or self.secret, self.ports["scim"])

    def revision(self):
        place = self.overlay.configuration()["listen"]["control"]
        status, text = world.get(int(place.rpartition(":")[2]), "/status")
        assert status == 200, f"/status answers {status}"
        return json.loads(text)["revision"]


if __name__ == "__main__":
    sys.exit(main())
