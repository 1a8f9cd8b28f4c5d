"""Looks into a directory with OpenLDAP's own client, past postern."""

import base64
import os
import subprocess


class Entries:
    """A directory as `servers.py` told of it, seen by its administrator."""

    def __init__(self, told):
        self.told = told
        # The client takes the machine's name for localhost's.
        url = told["ldaps"] if told["base"].startswith("DC=") else told["url"]
        self.url = url.replace("localhost", "127.0.0.1")
        self.environment = dict(os.environ, LDAPTLS_CACERT=told["ca"])

    def find(self, filter, attributes=("*", "+")):
        """All entries that a filter finds: `dn` and attributes in lower case, values as lists."""
        done = self.client(
            ["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", self.told["base"]],
            [filter, *attributes],
        )
        return [entry for entry in map(entry_of, done.split("\n\n")) if entry]

    def one(self, filter):
        """The one entry that a filter finds."""
        found = self.find(filter)
        assert len(found) == 1, f"{filter} finds {len(found)} entries"
        return found[0]

    def change(self, ldif):
        """Makes changes as the administrator."""
        self.client(["ldapmodify"], [], ldif)

    def may_bind(self, dn, password):
        """Whether this name with this password is let in."""
        done = subprocess.run(
            ["ldapwhoami", "-x", "-H", self.url, "-D", dn, "-w", password],
            env=self.environment, capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        return done.returncode == 0

    def client(self, command, more, text=None):
        login = ["-x", "-H", self.url, "-D", self.told["bind_dn"], "-y", self.told["password_file"]]
        done = subprocess.run(
            [*command, *login, *more], input=text,
            env=self.environment, capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        assert done.returncode == 0, f"{command[0]}: {done.stderr.strip()}"
        return done.stdout


def entry_of(text):
    entry = {}
    for line in text.splitlines():
        name, mark, value = line.partition(":")
        if not mark or line.startswith("# "):
            continue
        if value.startswith(":"):
            value = base64.b64decode(value[1:]).decode(errors="surrogateescape")
        entry.setdefault(name.lower(), []).append(value.strip() if mark else value)
    return entry
