"""Runs a pod of each overlay in namespaces of its own, and holds what is seen against what is said."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import expressions
import families
import scraper
from copies import ROOT
from rendered import OVERLAYS

HERE = pathlib.Path(__file__).parent
NAMESPACES = ["unshare", "--mount", "--net", "--propagation", "private"]


def run(report, binary):
    """Both at once: each mostly waits."""
    if why := impossible():
        report.skip("a pod of each overlay", why)
        return
    with tempfile.TemporaryDirectory(prefix="postern-deploy-") as folder:
        output = pathlib.Path(folder)
        running = {overlay: start(overlay, binary, output) for overlay in OVERLAYS}
        for overlay, child in running.items():
            told(report, overlay, *child.communicate(), child.returncode)
        look(report, output)


def impossible():
    """Why no pod can be run here, if so."""
    for program in ("unshare", "mount", "ip", "setpriv", "chroot", "openssl"):
        if not shutil.which(program):
            return f"{program} is not there"
    if os.geteuid() != 0:
        return "mounts as kubelet makes them, and the manifest's user, need root"
    probe = [*NAMESPACES, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    result = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"no namespaces here: {result.stderr.strip()}" if result.returncode else None


def start(overlay, binary, output):
    command = [*NAMESPACES, sys.executable, HERE / "pod.py", "--overlay", overlay]
    command += ["--binary", binary.resolve(), "--output", output]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def told(report, overlay, said, complained, code):
    if code != 0 or not said:
        report.check(f"{overlay}: a pod", [complained or f"ended with {code}"])
        return
    for chapter, problem in json.loads(said).items():
        report.check(f"{overlay}: a pod {chapter}", [problem] if problem else [])


def look(report, output):
    """What /metrics had, against alerts and dashboard."""
    found = {}
    for path in sorted(output.glob("*.prom")):
        text = path.read_text()
        report.check(f"promtool takes the metrics of {path.stem}", linted(text))
        found |= families.exposed(text)
    if not found:
        return
    documented = families.documented(ROOT / "docs/metrics.md")
    report.check("docs/metrics.md and /metrics say the same", families.compare(documented, found))
    problems = []
    for place, text in expressions.everywhere():
        problems += [f"{place}: {problem}" for problem in expressions.wrong(text, documented)]
    report.check("alerts and dashboard name what is there", problems)
    unnoticed = [
        text for text in expressions.WRONG if not list(expressions.wrong(text, documented))
    ]
    report.check("what is wrong with an expression is found", unnoticed)
    report.check("what alerts wait for begins at zero", late(output / "gateway.fresh"))
    used = {one.name for _, text in expressions.everywhere() for one in expressions.selectors(text)}
    report.check("the dashboard leaves no family out", unseen(documented, used))
    evaluated = output / "evaluated.json"
    if evaluated.exists():
        answers = json.loads(evaluated.read_text())
        wrong = [
            f"{place}: {answer}" for place, answer in answers.items() if isinstance(answer, str)
        ]
        report.check("a real Prometheus evaluates every expression", wrong)
    elif not scraper.there():
        report.skip("a real Prometheus evaluates every expression", "there is none")


def linted(text):
    command = ["promtool", "check", "metrics"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        yield result.stdout + result.stderr


def late(path):
    """`increase()` does not see how a series appears: it must be there before anything happens."""
    fresh = families.exposed(path.read_text())
    for place, text in expressions.everywhere():
        for one in expressions.selectors(text):
            if place.startswith("Postern") and one.function == "increase" and one.name not in fresh:
                yield f"{place}: {one.name} is not there from the start"


def unseen(documented, used):
    bases = {
        name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in used
    }
    for name in sorted(documented.keys() - used - bases):
        yield f"no panel and no alert shows {name}"
