"""A large configuration, mounted as kubelet mounts it: 100 tenants of 50 lines, 10,000 tokens."""

import hashlib
import itertools
import os
import pathlib
import re
import shutil

TENANTS = 100
LINES = 50
TOKENS = 10_000
RULE = pathlib.Path(__file__).parent.parent / "proxy" / "rule.yaml"


class Pod:
    """The folder of one, ready to be served."""

    def __init__(self, folder, ports, certificates):
        self.folder, self.ports = folder, ports
        self.token = f"postern_k0_{'0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK'}"
        self.versions = itertools.count()
        for name in ("cert.pem", "key.pem"):
            shutil.copy(certificates / name, folder)
        (folder / "directory.token").write_text("bench\n")
        (folder / "postern.yaml").write_text(
            f"listen: {{public: \"127.0.0.1:{ports['POSTERN']}\", probe: \"127.0.0.1:{ports['PROBE']}\","
            ' control: "127.0.0.1:0"}\n'
            "tls: {certificate: cert.pem, key: key.pem}\nrules: rules\naccess: access/access.yaml\n"
            "workers: 2\ntimeouts: {grace: 0s}\nlog: {format: json}\n"
        )
        self.swap(0)

    def swap(self, number):
        """A new version of all rules and of the access file."""
        rules = {f"t{tenant}.yaml": self.rule(tenant, number) for tenant in range(TENANTS)}
        mount(self.folder / "rules", rules, next(self.versions))
        mount(self.folder / "access", {"access.yaml": self.access(number)}, next(self.versions))

    def rule(self, tenant, number):
        text = RULE.read_text().replace("/bench/", f"/t{tenant}/")
        for name in ("POSTERN", "DIRECTORY"):
            text = re.sub(rf"\b{name}\b", str(self.ports[name]), text)
        text = text.replace("directory.token", "../directory.token")
        more = LINES - text.count("\n      - {")
        own = ", ".join(
            f"a{n}: {{type: string, multiValued: false, caseExact: true}}" for n in range(more - 1)
        )
        lines = "".join(
            f"      - {{scim: '{OWN}:a{n}', target: x{n}}}\n" for n in range(more - 1)
        )
        lines += f"      - {{target: source, constant: version{number}}}\n"
        text = text.replace("resources:\n", f'schemas:\n  "{OWN}": {{{own}}}\nresources:\n')
        text = text.replace("    attributes:\n", f'    extensions: ["{OWN}"]\n    attributes:\n')
        return text.replace("    unmapped:", f"{lines}    unmapped:")

    def access(self, number):
        """Accounts of ten keys each; the last key of each version is another."""
        out = [
            "roles:\n  all: {allow: [{resources: [User], verbs: [create, read, update, delete]}]}\n"
            "accounts:\n"
        ]
        for key in range(TOKENS):
            if key % 10 == 0:
                out.append(f'  - name: a{key}\n    roles: [all]\n    tenants: "*"\n    tokens:\n')
            secret = self.token if key == 0 else f"{key} {number if key == TOKENS - 1 else 0}"
            digest = hashlib.sha256(secret.encode()).hexdigest()
            out.append(f'      - {{id: k{key}, sha256: "{digest}"}}\n')
        return "".join(out)


def mount(folder, files, version):
    """The steps of kubelet's AtomicWriter."""
    folder.mkdir(exist_ok=True)
    data, inside = folder / "..data", f"..2026_11_24_09_30_00.{version}"
    old = os.readlink(data) if data.is_symlink() else None
    (folder / inside).mkdir()
    for name, text in files.items():
        (folder / inside / name).write_text(text)
    (folder / "..data_tmp").symlink_to(inside)
    os.replace(folder / "..data_tmp", data)
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    if old:
        shutil.rmtree(folder / old)


OWN = "urn:example:2.0:More"
