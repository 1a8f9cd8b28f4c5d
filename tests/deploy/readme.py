"""The commands of README.md, so that what it tells people is what is tried."""

import base64
import re
import shlex
import subprocess

import yaml

from copies import ROOT


class Readme:
    """Runs the commands of one section that need no cluster, in a folder; keeps the Secrets."""

    def __init__(self, folder, binary):
        self.folder = folder
        self.binary = binary.resolve()
        self.tokens = {}
        self.secrets = {}

    def follow(self, title, block=0):
        """`postern …` is run as it stands; of `kubectl … create secret …` the Secret is kept."""
        for line in commands(title, block):
            words = shlex.split(line.partition(" | ")[0], comments=True)
            if words[0] == "postern":
                self.postern(words[1:])
            elif words[0] == "kubectl" and "create" in words and "secret" in words:
                self.secret(words)

    def postern(self, words):
        # The date of the manual passes one day; that of the test must not.
        words = [
            "2999-01-01" if re.fullmatch(r"20\d\d-\d\d-\d\d", word) else word for word in words
        ]
        said = self.run([self.binary, *words]).stderr
        if token := re.search(r"postern_([a-z0-9]+)_\w+", said):
            self.tokens[token.group(1)] = token.group()

    def secret(self, words):
        dry = [word for word in words if word != "--dry-run=client"] + ["--dry-run=client"]
        made = yaml.safe_load(self.run(dry if "yaml" in dry else [*dry, "-o", "yaml"]).stdout)
        self.secrets[made["metadata"]["name"]] = made

    def run(self, command):
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        )


def commands(title, block):
    """The lines of a section's fenced block."""
    text = (ROOT / "README.md").read_text()
    section = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S).group(1)
    return re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)[block].splitlines()


def files(secret):
    """What kubelet mounts of a Secret."""
    return {key: base64.b64decode(value) for key, value in secret["data"].items()}
