"""Runs scim2-tester and scim-sanity through postern, and directly, and compares.

No check may fail through postern that the directory passes by itself, and none may get lost that the
rule maps; what a suite skips is named. Set aside is scim-sanity's dislike of a 204 after PATCH.
"""

import argparse
import contextlib
import pathlib
import re
import sys
import tempfile
import warnings

import checks
import servers
from checks import FAILED, PASSED, SKIPPED


def main():
    options = arguments()
    servers.forget_proxies()
    warnings.simplefilter("ignore")
    judge = Judge(options.verbose)
    for name, scene in list(scenes(options.binary).items()) * options.rounds:
        if options.only and not name.startswith(options.only) and name != DIRECT:
            continue
        try:
            with tempfile.TemporaryDirectory(prefix="postern-suites-") as folder:
                with scene(folder) as (place, suites, door):
                    for suite, how in suites.items():
                        judge.hear(name, suite, how(*place), getattr(door, "rule", None))
                    judge.watch(name, door)
        except servers.Failed as failure:
            judge.broken(name, failure)
    return judge.sentence()


def scenes(binary):
    """What stands behind what: each a context that gives where to knock, and with which suites."""
    both = {"scim2-tester": checks.tester, "scim-sanity": checks.sanity}
    over_http2 = {"scim2-tester": lambda *place: checks.tester(*place, http2=True)}

    @contextlib.contextmanager
    def direct(folder):
        with servers.directory(folder, "rfc") as directory:
            yield (directory.url, servers.DIRECTORY_TOKEN, None), both, None

    def through(rule, kind, suites):
        @contextlib.contextmanager
        def scene(folder):
            with servers.directory(folder, kind) as directory:
                with servers.gateway(folder, binary, rule, directory.url) as door:
                    yield (door.url, door.token, door.ca), suites, door

        return scene

    @contextlib.contextmanager
    def demo(folder):
        with servers.demo(folder, binary) as door:
            yield (door.url, door.token, door.ca), both, door

    found = {DIRECT: direct}
    if binary:
        found |= {
            "identity rule": through("identity", "rfc", both),
            "identity rule, HTTP/2": through("identity", "rfc", over_http2),
            "renaming rule": through("renaming", "legacy", both),
            "renaming rule, HTTP/2": through("renaming", "legacy", over_http2),
            "demo": demo,
        }
    return found


class Judge:
    """Hears every run, prints a line for each, and has the last word."""

    def __init__(self, verbose):
        self.verbose = verbose
        self.alone = {}
        self.counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}
        columns = ["passed", "failed", "skipped", "aside", "unasked"]
        print(f"{'run':<24}{'suite':<14}" + "".join(f"{column:>10}" for column in columns))

    def hear(self, run, suite, results, rule):
        """Compares a run with what the directory does by itself, which is heard first."""
        alone = self.alone.setdefault(suite, {check.name: check for check in results})
        worse, forgiven = [], []
        for check in results:
            failed_alone = check.name in alone and alone[check.name].outcome == FAILED
            if check.outcome == FAILED:
                forgivable = failed_alone or checks.dislikes_204(check)
                (forgiven if forgivable else worse).append(check)
        asked = {check.name for check in results}
        missing = [name for name in alone if name not in asked]
        for name in missing:
            if rule is not None and should_be_asked(name, rule):
                worse.append(checks.Check(name, FAILED, "not asked, though the rule maps it"))
        skipped = [check for check in results if check.outcome == SKIPPED]
        passed = sum(check.outcome == PASSED for check in results)
        self.counts[PASSED] += passed
        self.counts[FAILED] += len(worse)
        self.counts[SKIPPED] += len(skipped) + len(forgiven)
        columns = [passed, len(worse), len(skipped), len(forgiven), len(missing)]
        print(f"{run:<24}{suite:<14}" + "".join(f"{n:>10}" for n in columns), flush=True)
        for check in worse:
            print(f"    FAILED   {check.name}\n{indent(check.reason)}")
        for check in forgiven:
            print(f"    aside    {check.name}: {check.reason}")
        for check in skipped:
            print(f"    skipped  {check.name}: {check.reason}")
        if self.verbose:
            for name in missing:
                print(f"    unasked  {name}")

    def watch(self, run, door):
        """The gateway must end well, and have said nothing of a panic."""
        if door is not None:
            code = door.stop()
            if code != 0 or "panicked" in door.log.read_text(errors="replace"):
                self.broken(run, f"{door.name} ended with {code}\n{door.tail()}")

    def broken(self, run, why):
        """A run that could not be made is one failure."""
        self.counts[FAILED] += 1
        print(f"{run}: FAILED\n{indent(str(why))}")

    def sentence(self):
        passed, failed, skipped = (self.counts[o] for o in (PASSED, FAILED, SKIPPED))
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        return 1 if failed else 0


def should_be_asked(name, rule):
    """Whether a check that the directory was asked has no business to be missing behind a rule.

    The suites ask for the attributes that the tenant's schemas list. Less may be mapped, and then
    less is asked; but what a line maps must be listed, and nothing else may get lost.
    """
    kind, *words = name.split()
    if not (kind.startswith("check_") and kind.endswith("_attribute")):
        return True
    return re.search(rf"scim: ['\"]?{re.escape(words[-1])}\b", rule) is not None


def indent(text):
    return "\n".join(f"        {line}" for line in text.splitlines())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, help="postern; else only the directory")
    parser.add_argument("--only", help="runs whose name starts so")
    parser.add_argument("--rounds", type=int, default=1, help="how often; the values are random")
    parser.add_argument("--verbose", action="store_true", help="name what was not asked as well")
    options = parser.parse_args()
    options.binary = options.binary and options.binary.resolve()
    return options


DIRECT = "the directory itself"

if __name__ == "__main__":
    sys.exit(main())
