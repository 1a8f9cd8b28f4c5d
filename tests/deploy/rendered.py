"""An overlay as `kubectl kustomize` renders it, and ways to look at it."""

import pathlib
import subprocess

import yaml

from copies import KUBERNETES, ROOT

OVERLAYS = ("gateway", "sidecar")
EXAMPLES = KUBERNETES / "secrets.example.yaml"
CONFIGURATION = "postern-config"
RULES = "postern-rules"


class Rendered:
    """The objects of one overlay."""

    def __init__(self, overlay, objects):
        self.overlay = overlay
        self.objects = objects

    @classmethod
    def of(cls, overlay, kubectl="kubectl"):
        """Renders it; what kubectl says of deprecated words is left out."""
        folder = KUBERNETES / "overlays" / overlay
        command = [str(kubectl), "kustomize", str(folder)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}:\n{result.stderr}")
        objects = [found for found in yaml.safe_load_all(result.stdout) if found]
        return cls(overlay, sorted(objects, key=lambda one: (one["kind"], name(one))))

    def all(self, kind):
        """Every object of a kind."""
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind, called):
        """The object of this kind and name."""
        for found in self.all(kind):
            if name(found) == called:
                return found
        raise LookupError(f"there is no {kind} {called}")

    @property
    def workload(self):
        """The Deployment whose pods postern is in."""
        (found,) = self.all("Deployment")
        return found

    @property
    def pod(self):
        """What its pods are made of."""
        return self.workload["spec"]["template"]["spec"]

    @property
    def labels(self):
        """The labels of its pods."""
        return self.workload["spec"]["template"]["metadata"]["labels"]

    def container(self, called):
        """A container or init container."""
        for found in self.pod.get("initContainers", []) + self.pod["containers"]:
            if found["name"] == called:
                return found
        raise LookupError(f"there is no container {called}")

    def configuration(self):
        """postern.yaml, as its ConfigMap has it."""
        return yaml.safe_load(self.one("ConfigMap", CONFIGURATION)["data"]["postern.yaml"])

    def rules(self):
        """The sync rules by the name of their file."""
        texts = self.one("ConfigMap", RULES)["data"]
        return {file: yaml.safe_load(text) for file, text in texts.items()}


def examples():
    """The Secrets of the example file, by name."""
    found = yaml.safe_load_all(pathlib.Path(EXAMPLES).read_text())
    return {name(one): one for one in found if one}


def name(one):
    """The name of an object."""
    return one["metadata"]["name"]


__all__ = ["CONFIGURATION", "EXAMPLES", "OVERLAYS", "ROOT", "RULES", "Rendered", "examples", "name"]
