"""Files of deploy/ that repeat another, since kustomize reads nothing outside its own folder.

`copies.py --write` writes them anew; the check that they are equal is in `manifests.py`.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
ALERTS = ROOT / "deploy/prometheus/postern.rules.yaml"
RULE = ROOT / "rules/legacy-people.yaml"

HEAD = """\
# deploy/prometheus/postern.rules.yaml in the operator's wrapping. Written by
# `tests/deploy/copies.py --write`: change that file, not this one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: postern
  labels:
    app.kubernetes.io/name: postern
spec:
"""
# What a rule of rules/ says for a machine of its own, and what it says in a pod.
IN_A_POD = {"/run/secrets/legacy-people-token": "/etc/postern/secrets/directory-token"}
BESIDE = IN_A_POD | {"https://directory.internal/api": "http://127.0.0.1:8080/api"}


def copies():
    """Every copy with the text that it must have."""
    rule = RULE.read_text()
    return {
        KUBERNETES / "monitoring/prometheusrule.yaml": HEAD + alerts(),
        KUBERNETES / "overlays/gateway/rules/legacy-people.yaml": replaced(rule, IN_A_POD),
        KUBERNETES / "overlays/sidecar/rules/legacy-people.yaml": replaced(rule, BESIDE),
    }


def alerts():
    """The groups of the rules file, without its own opening words, a level deeper."""
    text = ALERTS.read_text()
    lines = text[text.index("groups:\n") :].splitlines()
    return "".join(f"  {line}".rstrip() + "\n" for line in lines)


def replaced(text, words):
    """The text with every word replaced; each must be there once."""
    for old, new in words.items():
        if text.count(old) != 1:
            sys.exit(f"{RULE} does not have {old!r} once: change {__file__}")
        text = text.replace(old, new)
    return text


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: copies.py --write")
    for path, text in copies().items():
        path.write_text(text)
