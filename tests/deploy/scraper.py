"""A real Prometheus that scrapes the pod for a few seconds and evaluates every expression."""

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import kubelet
import world
from copies import ALERTS
from expressions import everywhere

PORT = 9090
CONFIGURATION = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: postern
    static_configs:
      - targets: ["{target}"]
        labels: {{namespace: postern, pod: postern-0}}
"""


def there():
    """Whether there is a Prometheus to run."""
    return bool(shutil.which("prometheus"))


def evaluate(folder, target):
    """place to what came of it: the number of series, or Prometheus' complaint."""
    file = folder / "prometheus.yml"
    file.write_text(CONFIGURATION.format(rules=ALERTS, target=target))
    with (folder / "prometheus.log").open("ab") as words:
        child = subprocess.Popen(
            ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'series'}"]
            + [f"--web.listen-address=127.0.0.1:{PORT}"],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
        )
    try:
        # Rates want more than one look.
        world.until(lambda: looks() >= 3, "Prometheus has scraped three times")
        return {f"{place}: {text}": ask(text) for place, text in everywhere()}
    finally:
        kubelet.stop(child, world.PATIENCE)


def looks():
    try:
        ((_, value),) = (one["value"] for one in query("sum_over_time(up[1m])"))
        return float(value)
    except (OSError, ValueError):
        return 0


def ask(text):
    try:
        return len(query(text))
    except urllib.error.HTTPError as error:
        return error.read().decode()


def query(text):
    url = f"http://127.0.0.1:{PORT}/api/v1/query?" + urllib.parse.urlencode({"query": text})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=world.PATIENCE) as answer:
        return json.loads(answer.read())["data"]["result"]
