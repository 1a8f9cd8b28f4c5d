"""deploy/kubernetes and deploy/prometheus at rest: rendered, against schemas, against promises."""

import copy
import os
import re
import shutil
import subprocess

import kubernetes_validate
import yaml

import dashboard
import promises
from copies import ALERTS, ROOT, copies
from rendered import EXAMPLES, OVERLAYS, Rendered, examples, name

# The oldest that each shape says it needs, one between, and the newest that the validator knows.
VERSIONS = {"gateway": ("1.27", "1.32", "1.37"), "sidecar": ("1.30", "1.32", "1.37")}
# Kinds of others: their schemas are not Kubernetes' own.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}
ALERT_TESTS = ROOT / "tests/deploy/alerts.test.yaml"


def run(report):
    """All checks that need nothing started."""
    report.check("copies are what they are copies of", repeated())
    overlays = {called: Rendered.of(called) for called in OVERLAYS}
    for called, overlay in overlays.items():
        report.check(f"{called}: Kubernetes' schemas", schemas(overlay))
        for promise in promises.PROMISES:
            report.check(f"{called}: {promise.__name__}", promise(overlay))
    report.check("both shapes run the same postern", promises.same_postern(*overlays.values()))
    report.check("what is broken is found", mutations(overlays))
    report.check("the example Secrets", example_schemas())
    other_kubectls(report, overlays)
    report.check("promtool takes the alerts", promtool("check", "rules", ALERTS))
    report.check("promtool's tests of the alerts", promtool("test", "rules", ALERT_TESTS))
    report.check("the dashboard can be imported and read", dashboard.problems())
    report.check("every alert is tested and says what to do", told())


def repeated():
    for path, text in copies().items():
        if not path.exists() or path.read_text() != text:
            yield f"{path.relative_to(ROOT)}: run tests/deploy/copies.py --write"


def schemas(overlay):
    for version in VERSIONS[overlay.overlay]:
        for one in overlay.objects:
            if one["kind"] not in FOREIGN:
                yield from invalid(one, version)
    for one in overlay.objects:
        if one["kind"] in FOREIGN and not one["apiVersion"].startswith("monitoring.coreos.com/"):
            yield f"{one['kind']} is of {one['apiVersion']}"


def example_schemas():
    for one in examples().values():
        yield from invalid(one, VERSIONS["sidecar"][-1])
    text = EXAMPLES.read_text()
    commented = re.findall(r"^# (.*)$", text[text.index("# apiVersion: cert-manager") :], re.M)
    certificate = yaml.safe_load("\n".join(commented))
    if certificate["spec"]["secretName"] not in examples():
        yield "the Certificate fills a Secret that nothing mounts"


def invalid(one, version):
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        path = ".".join(str(part) for part in error.path)
        yield f"{one['kind']} {name(one)}, Kubernetes {version}: {path}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{one['kind']} {name(one)}: {error.message}"


def other_kubectls(report, overlays):
    """Decision 62: what an old kubectl renders is the same."""
    title = "an old kubectl renders the same"
    others = [path for path in os.environ.get("POSTERN_TEST_KUBECTL", "").split(":") if path]
    if not others:
        report.skip(title, "POSTERN_TEST_KUBECTL names none (scripts/test --long gets Debian's)")
        return
    for kubectl in others:
        report.check(f"{title} ({version(kubectl)})", differences(kubectl, overlays))


def differences(kubectl, overlays):
    for called, overlay in overlays.items():
        try:
            other = Rendered.of(called, kubectl)
        except RuntimeError as error:
            yield str(error)
            continue
        if other.objects != overlay.objects:
            yield f"{called} is rendered otherwise"


def version(kubectl):
    command = [kubectl, "version", "--client", "-o", "yaml"]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return yaml.safe_load(text)["clientVersion"]["gitVersion"]


def promtool(*arguments):
    if not shutil.which("promtool"):
        yield "promtool is not there (Debian: prometheus)"
        return
    command = ["promtool", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        yield result.stdout + result.stderr


def told():
    """Each alert has words and a runbook, one test where it fires and one where it is silent."""
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    tests = yaml.safe_load(ALERT_TESTS.read_text())["tests"]
    silent, firing = set(), set()
    for test in tests:
        for one in test.get("alert_rule_test", []):
            if not one.get("exp_alerts"):
                silent.add(one["alertname"])
        for one in test.get("promql_expr_test", []):
            text = one["expr"] + str(one["exp_samples"])
            firing |= (
                set(re.findall(r'alertname="(Postern\w+)"', text)) if "firing" in text else set()
            )
    for rule in rules:
        alert = rule["alert"]
        for key in ("summary", "description", "runbook"):
            if len(rule["annotations"].get(key, "")) < 20:
                yield f"{alert} has no {key}"
        if "`" not in rule["annotations"].get("runbook", ""):
            yield f"{alert}: the runbook names no command"
        if rule["labels"].get("severity") not in ("critical", "warning", "info"):
            yield f"{alert} has no severity"
        if alert not in silent:
            yield f"{alert}: no test where it is silent"
        if alert not in firing:
            yield f"{alert}: no test where it fires"


# What somebody might do to the manifests, and the promise that must notice.
MUTATIONS = {
    "locked_in": lambda one: one.container("postern")["securityContext"].pop("capabilities"),
    "probed": lambda one: one.container("postern").pop("readinessProbe"),
    "timed": lambda one: one.pod.update(terminationGracePeriodSeconds=135),
    "mounted": lambda one: one.container("postern")["volumeMounts"][1].update(subPath="a"),
    "filled": lambda one: edit(one, "postern-rules", "/directory-token", "/other"),
    "connected": lambda one: one.one("Service", "postern")["spec"].pop("sessionAffinity"),
    "fenced": lambda one: one.one("NetworkPolicy", "postern")["spec"]["ingress"][1].pop("from"),
    "scraped": lambda one: one.one("ServiceMonitor", "postern")["spec"].update(jobLabel="app"),
    "steady": lambda one: one.workload["spec"]["strategy"]["rollingUpdate"].update(
        maxUnavailable=1
    ),
    "shaped": lambda one: (
        one.workload["spec"].update(replicas=1)
        or one.container("postern").pop("restartPolicy", None)
    ),
    "schemas": lambda one: one.container("postern").update(readynessProbe={}),
}


def mutations(overlays):
    checks = {check.__name__: check for check in [*promises.PROMISES, schemas]}
    if checks.keys() != MUTATIONS.keys():
        yield f"without a mutation: {sorted(checks.keys() ^ MUTATIONS.keys())}"
    for overlay in overlays.values():
        for called, mutate in MUTATIONS.items():
            broken = Rendered(overlay.overlay, copy.deepcopy(overlay.objects))
            mutate(broken)
            if not list(checks[called](broken)):
                yield f"{overlay.overlay}: {called} does not notice"


def edit(overlay, configmap, old, new):
    data = overlay.one("ConfigMap", configmap)["data"]
    data.update({file: text.replace(old, new) for file, text in data.items()})
