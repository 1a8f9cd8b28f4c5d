"""Runs scim2-tester and scim-sanity through postern, and directly, and compares.

No check may fail through postern that the directory passes by itself; what a suite skips, or does
not get to, is named. scim-sanity's dislike of a 204 after PATCH is set aside. Exit 1 otherwise.
"""

import argparse
import contextlib
import pathlib
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
            with tempfile.TemporaryDirectory(prefix="postern-suites-") as folder, scene(folder) as (
                place,
                suites,
                processes,
            ):
                for suite, how in suites.items():
                    judge.hear(name, suite, how(*place))
                judge.watch(name, processes)
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
            yield (directory.url, servers.DIRECTORY_TOKEN, None), both, []

    def through(rule, kind, suites):
        @contextlib.contextmanager
        def scene(folder):
            with servers.directory(folder, kind) as directory:
                with servers.gateway(folder, binary, rule, directory.url) as door:
                    yield (door.url, door.token, door.ca), suites, [door]

        return scene

    @contextlib.contextmanager
    def demo(folder):
        with servers.demo(folder, binary) as door:
            yield (door.url, door.token, door.ca), both, [door]

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
        print(f"{'run':<24}{'suite':<14}{'passed':>8}{'failed':>8}{'skipped':>9}")

    def hear(self, run, suite, results):
        """Compares a run with what the directory does by itself, which is heard first."""
        alone = self.alone.setdefault(suite, {check.name: check for check in results})
        count = {outcome: [c for c in results if c.outcome == outcome] for outcome in self.counts}
        print(
            f"{run:<24}{suite:<14}{len(count[PASSED]):>8}{len(count[FAILED]):>8}"
            f"{len(count[SKIPPED]):>9}",
            flush=True,
        )
        forgiven, worse = [], []
        for check in count[FAILED]:
            failed_alone = check.name in alone and alone[check.name].outcome == FAILED
            if checks.dislikes_204(check) or failed_alone:
                forgiven.append(check)
            else:
                worse.append(check)
        for check in worse:
            print(f"    FAILED   {check.name}\n{indent(check.reason)}")
        if forgiven:
            print(f"    set aside (204 after PATCH): {', '.join(c.name for c in forgiven)}")
        for check in count[SKIPPED]:
            print(f"    skipped  {check.name}: {check.reason}")
        # The suites try what the schemas list: a rule that maps less is asked less.
        missing = [name for name in alone if name not in {check.name for check in results}]
        if missing:
            print(f"    not asked, since the tenant's schemas do not list it: {len(missing)}")
            if self.verbose:
                print(indent("\n".join(missing)))
        if not count[PASSED]:
            print("    FAILED   nothing passed")
            self.counts[FAILED] += 1
        self.counts[PASSED] += len(count[PASSED])
        self.counts[FAILED] += len(worse)
        self.counts[SKIPPED] += len(count[SKIPPED]) + len(forgiven)

    def watch(self, run, processes):
        """The programs must end well, and have said nothing of a panic."""
        for process in processes:
            code = process.stop()
            if code != 0 or "panicked" in process.log.read_text(errors="replace"):
                self.broken(run, f"{process.name} ended with {code}\n{process.tail()}")

    def broken(self, run, why):
        """A run that could not be made is one failure."""
        self.counts[FAILED] += 1
        print(f"{run}: FAILED\n{indent(str(why))}")

    def sentence(self):
        passed, failed, skipped = (self.counts[o] for o in (PASSED, FAILED, SKIPPED))
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        return 1 if failed else 0


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
