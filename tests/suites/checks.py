"""Runs the foreign suites and brings their results into one form."""

import collections
import dataclasses
import ssl

import scim2_tester
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim_sanity.probe.runner import run_probe_api

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclasses.dataclass
class Check:
    """One check of a suite: what it is called in every run, how it went, and why."""

    name: str
    outcome: str
    reason: str


def tester(url, token, ca, http2=False):
    """scim2-tester: every operation on every attribute that the schemas list."""
    client = Client(
        base_url=url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=20,
        verify=ssl.create_default_context(cafile=str(ca)) if ca else False,
        http1=not http2,
        http2=http2,
    )
    with client:
        results = scim2_tester.check_server(SyncSCIMClient(client))
    names = collections.Counter()
    checks = []
    for result in results:
        detail = result.data.get("urn") if isinstance(result.data, dict) else None
        name = " ".join(filter(None, [result.title, result.resource_type, detail]))
        names[name] += 1
        if not detail and names[name] > 1:
            name = f"{name} ({names[name]})"
        checks.append(Check(name, TESTER[result.status.name], result.reason or ""))
    return checks


def sanity(url, token, ca, http2=False):
    """scim-sanity: the life of a user and of a group, searches, errors. HTTP/1.1 only."""
    assert not http2
    told = run_probe_api(url, token=token, ca_bundle=str(ca) if ca else None, timeout=20)
    names = collections.Counter()
    checks = []
    for result in told["results"]:
        if result["phase"] == "Cleanup":
            continue
        name = result["name"]
        names[name] += 1
        if names[name] > 1:
            name = f"{name} ({names[name]})"
        checks.append(Check(name, SANITY[result["status"]], result.get("message", "")))
    return checks


def dislikes_204(check):
    """scim-sanity wants a 200 after a PATCH; RFC 7644 section 3.5.2 allows a 204 as well."""
    return check.name.startswith("PATCH ") and "got 204" in check.reason


# A deviation is within the specification; the rest of the words speak for themselves.
TESTER = {
    "SUCCESS": PASSED,
    "COMPLIANT": PASSED,
    "ACCEPTABLE": PASSED,
    "DEVIATION": FAILED,
    "ERROR": FAILED,
    "CRITICAL": FAILED,
    "SKIPPED": SKIPPED,
}

# A warning is a failure that scim-sanity forgives in others; the directory itself has none.
SANITY = {"pass": PASSED, "warn": FAILED, "fail": FAILED, "error": FAILED, "skip": SKIPPED}
