"""The metric families of postern: as docs/metrics.md lists them, and as /metrics has them."""

import re

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? [^ ]+$")
LABEL = re.compile(r'(\w+)="(?:[^"\\]|\\.)*"')

ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \|")


def documented(path):
    """name to (type, labels) of every row of the documentation's table."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        if row := ROW.match(line):
            name, kind, labels = row.groups()
            found[name] = kind, set(re.findall(r"`(\w+)`", labels))
    return found


def compare(documented, found):
    """What one has and the other does not. A family without series yet is not exposed."""
    if len(documented) < 40:
        yield f"only {len(documented)} families are documented: has the table another form?"
    for name, (kind, labels) in found.items():
        if name not in documented:
            yield f"{name} is not documented"
        elif documented[name] != (kind, labels):
            yield f"{name} is documented as {documented[name]}, and is {kind, labels}"
    if len(found) < len(documented) / 2:
        yield f"only {len(found)} of {len(documented)} families are exposed"


def exposed(text):
    """name to (type, labels) of Prometheus' text format."""
    found, kinds = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            kinds[name] = kind
        elif not line.startswith("#") and (sample := SAMPLE.match(line)):
            name, labels = sample.groups()
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if kinds.get(base) == "histogram":
                name = base
            names = set(LABEL.findall(labels or "")) - {"le"}
            found.setdefault(name, (kinds.get(name, "untyped"), set()))[1].update(names)
    return found
