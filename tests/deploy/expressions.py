"""Every PromQL expression that is shipped: where it stands, and what it names."""

import json
import re

import yaml

from copies import ALERTS, ROOT

DASHBOARD = ROOT / "deploy/grafana/postern.json"
# What Grafana puts in before it asks.
VARIABLES = {
    "$__rate_interval": "5m",
    "$namespace": ".*",
    "$job": ".*",
    "$tenant": ".*",
}
# Labels that scraping adds.
SCRAPED = {"namespace", "job", "pod", "instance"}
# Series that do not come from postern's /metrics.
OTHERS = {"up": set()}
COUNTED = {"rate", "irate", "increase", "resets"}
# The values that labels can have; others are names of the configuration.
VALUES = {
    "outcome": {"ok", "client", "directory", "gateway", "gone"},
    "result": {"success", "failure"},
    "source": {"rules", "access", "tls", "secrets"},
}
# Where a family has values of its own.
OWN = {
    "postern_audit_records_total": {"result": {"written", "dropped", "refused"}},
    "postern_oauth_keys_fetches_total": {"result": {"ok", "unchanged", "failed"}},
    "postern_oauth_introspections_total": {"result": {"active", "inactive", "failed"}},
}
# What must be found wrong.
WRONG = (
    "rate(postern_requests_totl[5m])",
    'rate(postern_requests_total{tenat="x"}[5m])',
    'rate(postern_requests_total{outcome="fine"}[5m])',
    'rate(postern_audit_records_total{result="success"}[5m])',
    "postern_requests_total",
    "rate(postern_tenants[5m])",
    "sum by (foo) (rate(postern_requests_total[5m]))",
    "rate(postern_request_duration_seconds[5m])",
    "histogram_quantile(0.9, sum by (tenant) (rate(postern_request_duration_seconds_bucket[5m])))",
)
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless"}
WORDS |= {"bool", "offset", "inf", "nan"}

NAME = re.compile(r"(?<![\w$:.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
FUNCTION = re.compile(r"(\w+)\s*\(\s*$")


def everywhere():
    """(place, expression) of every alert and every panel; Grafana's variables put in."""
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']!r}", replaced(target["expr"])
    for annotation in dashboard["annotations"]["list"]:
        yield f"annotation {annotation['name']!r}", replaced(annotation["expr"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            series = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
            yield (
                f"variable {variable['name']!r}",
                replaced(f"group by ({series[2]}) ({series[1]})"),
            )


def replaced(expression):
    for variable, value in VARIABLES.items():
        expression = re.sub(re.escape(variable) + r"\b", value, expression)
    return expression


class Selector:
    """One series that an expression names: name, matchers, and the function right around it."""

    def __init__(self, name, matchers, function, ranged):
        self.name = name
        self.matchers = matchers
        self.function = function
        self.ranged = ranged


def selectors(expression):
    """All of them. Not a parser of PromQL: promtool is, this looks for names."""
    text = GROUPING.sub(lambda found: " " * len(found.group()), expression)
    for found in NAME.finditer(text):
        name, end = found.group(1), found.end()
        if inside_braces_or_text(text, found.start()) or name.lower() in WORDS:
            continue
        if text[end:].lstrip().startswith("(") and not found.group(2):
            continue
        before = FUNCTION.search(text[: found.start()])
        ranged = text[end:].lstrip().startswith("[")
        matchers = MATCHER.findall(found.group(2) or "")
        yield Selector(name, matchers, before and before.group(1), ranged)


def inside_braces_or_text(text, place):
    head = text[:place]
    return (
        head.count("{") > head.count("}")
        or head.count("[") > head.count("]")
        or head.count('"') % 2
    )


def wrong(expression, families):
    """What an expression says that /metrics does not have. `families`: name to (type, labels)."""
    known = set(SCRAPED)
    for one in selectors(expression):
        if one.name in OTHERS:
            kind, labels = "gauge", OTHERS[one.name]
        else:
            kind, labels = family(one.name, families)
            if kind is None:
                yield f"there is no metric {one.name}"
                continue
        known |= labels
        for label, _, value in one.matchers:
            if label not in labels | SCRAPED:
                yield f"{one.name} has no label {label}"
            choices = (VALUES | OWN.get(one.name, {})).get(label)
            for choice in value.split("|"):
                if choices and choice not in choices:
                    yield f"{label} is never {choice!r}"
        counted = one.function in COUNTED and one.ranged
        if one.function != "group" and counted != (kind == "counter"):
            yield f"{one.name} is a {kind}, and stands in {one.function or 'nothing'}()"
    for labels in GROUPING.findall(expression):
        for label in filter(None, re.split(r"[,\s]+", labels)):
            if label not in known:
                yield f"nothing here has the label {label}"
    for inner in re.findall(r"histogram_quantile\(([^\[]*)\[", expression):
        if not re.search(r"by \([^)]*\ble\b[^)]*\) \(rate\(\w+_bucket\b", inner):
            yield "histogram_quantile() needs `by (le)` of the rate of a _bucket"


def family(name, families):
    """The type and the labels of a series; those of a histogram count."""
    if name in families and families[name][0] != "histogram":
        return families[name]
    for suffix, more in (("_bucket", {"le"}), ("_sum", set()), ("_count", set())):
        kind, labels = families.get(name.removesuffix(suffix), (None, set()))
        if name.endswith(suffix) and kind == "histogram":
            return "counter", labels | more
    return None, set()
