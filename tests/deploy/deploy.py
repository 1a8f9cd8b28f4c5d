"""Checks deploy/: manifests, alerts, dashboard, and a pod made of what was rendered.

    deploy.py --binary target/debug/postern

Prints a line for each check and the counts at the end, as scripts/test wants them.
"""

import argparse
import pathlib
import sys

import manifests
import pods


class Report:
    """What was checked, and what came of it."""

    def __init__(self, verbose):
        self.verbose = verbose
        self.passed, self.failed, self.skipped = 0, 0, 0

    def check(self, title, problems):
        """Passed when there are no problems."""
        try:
            problems = list(problems)
        except (LookupError, OSError) as error:
            problems = [f"not as it should be: {error!r}"]
        if problems:
            self.failed += 1
            print(f"FAILED  {title}")
            for problem in problems:
                print("        " + str(problem).strip().replace("\n", "\n        "))
        else:
            self.passed += 1
            if self.verbose:
                print(f"ok      {title}")

    def skip(self, title, why):
        """Not checked, and why."""
        self.skipped += 1
        print(f"skipped {title}: {why}")

    def end(self):
        """The counts, and the exit code."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    report = Report(options.verbose)
    manifests.run(report)
    pods.run(report, options.binary)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
