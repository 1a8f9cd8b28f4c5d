"""deploy/grafana/postern.json as a file: what any Grafana needs to import it, and people to read it."""

import itertools
import json

from expressions import DASHBOARD

# What a panel leaves to whoever imports it.
CHOSEN = {"type": "prometheus", "uid": "${datasource}"}


def problems():
    """What is wrong with it."""
    dashboard = json.loads(DASHBOARD.read_text())
    for key in ("uid", "title", "schemaVersion"):
        if not dashboard.get(key):
            yield f"it has no {key}"
    if dashboard.get("id") is not None:
        yield "`id` is that of one Grafana's database"
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    if variables != ["datasource", "namespace", "job", "tenant"]:
        yield f"its variables are {variables}"
    # All of its values are the jobs that run postern; any job at all has `up` and `process_…`.
    if "allValue" in dashboard["templating"]["list"][variables.index("job")]:
        yield "`job` says what All means: panels would show everything that Prometheus knows"
    for source in sources(dashboard):
        if source != CHOSEN:
            yield f"a data source of one Grafana: {source}"
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    if len(ids) != len(set(ids)):
        yield "two panels have one id"
    for panel in panels:
        if panel["type"] == "row":
            continue
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{panel['title']!r} has no unit"
        if not panel.get("targets"):
            yield f"{panel['title']!r} asks nothing"
    for one, other in itertools.combinations(panels, 2):
        if overlap(one["gridPos"], other["gridPos"]):
            yield f"{one['title']!r} lies over {other['title']!r}"


def sources(tree):
    """Every data source that is named, however deep."""
    if isinstance(tree, dict):
        if "datasource" in tree:
            yield tree["datasource"]
        for value in tree.values():
            yield from sources(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from sources(value)


def overlap(one, other):
    """Whether two places of the grid share a cell, or one is outside of it."""
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return (across and down) or one["x"] + one["w"] > 24
