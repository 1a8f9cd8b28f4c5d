"""The rules that postern ships, against the LDAP directories that tests/ldap/servers.py started.

For each directory: what the rule promises, verb by verb (lives.py), and the foreign suites. No check
may fail but those that are named here with the reason. What cannot be had is named as skipped.
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import tempfile
import traceback
import warnings

import away
import checks
import lives
import servers
import shipped
from checks import FAILED, PASSED, SKIPPED
from entries import Entries

VARIABLES = {
    "slapd": "POSTERN_TEST_SLAPD",
    "389ds": "POSTERN_TEST_389DS",
    "samba": "POSTERN_TEST_SAMBA",
}

# Checks of the foreign suites that fail for a reason: by directory, or everywhere.
ONE_MAIL = "the rule has one e-mail address, which is the primary one"
NO_SUCH_MEMBER = "members are references: who is not there is refused with 400"
ASIDE = {
    "check_add_attribute User emails": ONE_MAIL,
    "check_replace_attribute User emails": ONE_MAIL,
    "check_remove_attribute User active": "an account is active or is not: there is no third",
    "PATCH /Groups/{id} add member": NO_SUCH_MEMBER,
}

CN = "cn of Active Directory holds 64 characters, and two random names of 36 make it"
for check in ["object_query_with_attributes", "object_list_with_attributes",
              "search_with_attributes", "object_replacement", "check_remove_attribute"]:  # fmt: skip
    ASIDE["samba", f"{check} User"] = CN

# What is not right yet: said at every run, and no failure. One that passes must leave this list.
WEAK = {
    "389ds: odd_names_come_back_as_sent": "its uniqueness plugin fails at renaming an entry whose name needs an escape",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--only", help="the checks and suites whose name holds this")
    options = parser.parse_args()
    options.binary = options.binary.resolve()
    servers.forget_proxies()
    warnings.simplefilter("ignore")
    judge = Judge()
    for name, variable in VARIABLES.items():
        if variable not in os.environ:
            judge.note(name, SKIPPED, f"{variable} is not set: the directory is not there")
            continue
        told = json.loads(os.environ[variable])
        try:
            serve(name, told, options, judge)
        except servers.Failed as failure:
            judge.note(f"{name}: postern", FAILED, str(failure))
    if "POSTERN_TEST_SLAPD" in os.environ:
        told = json.loads(os.environ["POSTERN_TEST_SLAPD"])
        for check in away.CHECKS:
            if not options.only or options.only in f"away {check.__name__}":
                judge.run(f"away: {check.__name__}", check, told, options.binary)
    return judge.sentence()


def serve(name, told, options, judge):
    """All checks of one directory."""

    def wanted(check):
        return not options.only or options.only in f"{name} {check}"

    with through(options.binary, shipped.rule(name, told)) as door:
        peer = lives.Peer(name, Entries(told), door)
        for check in lives.CHECKS:
            if wanted(check.__name__):
                judge.run(f"{name}: {check.__name__}", check, peer)
                peer.clean()
        judge.watch(name, door)
    suites = {"scim2-tester": checks.tester, "scim-sanity": checks.sanity}
    for suite, run in suites.items():
        if wanted(suite):
            with through(options.binary, shipped.suitable(name, told)) as door:
                judge.hear(name, suite, run(door.url, door.token, door.ca))
                judge.watch(name, door)


@contextlib.contextmanager
def through(binary, rule):
    with tempfile.TemporaryDirectory(prefix="postern-peers-") as folder:
        with servers.serve(folder, binary, rule) as door:
            yield door


class Judge:
    """Hears every check, prints what did not pass, and has the last word."""

    def __init__(self):
        self.counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}

    def run(self, name, check, *arguments):
        try:
            reason = check(*arguments)
        except AssertionError as failure:
            line = traceback.extract_tb(failure.__traceback__)
            line = [frame for frame in line if frame.filename in (lives.__file__, away.__file__)][-1]
            reason = f"line {line.lineno}: {line.line}: {failure}"
            if name in WEAK:
                self.note(name, SKIPPED, f"weak: {WEAK[name]}: {reason}")
            else:
                self.note(name, FAILED, reason)
        except Exception as failure:
            self.note(name, FAILED, "".join(traceback.format_exception(failure)[-3:]))
        else:
            if name in WEAK and not reason:
                self.note(name, FAILED, "it passes: take it off the list WEAK")
            else:
                self.note(name, SKIPPED if reason else PASSED, reason or "")

    def note(self, name, outcome, reason):
        self.counts[outcome] += 1
        print(f"{outcome:<8}{name}" + (f": {reason}" if reason else ""), flush=True)

    def hear(self, name, suite, results):
        """A run of a foreign suite."""
        counts = dict.fromkeys(self.counts, 0)
        for check in results:
            outcome, reason = check.outcome, check.reason
            why = excuse(name, check)
            if outcome == FAILED and why:
                outcome, reason = SKIPPED, f"set aside ({why}): {reason}"
            counts[outcome] += 1
            if outcome != PASSED:
                print(f"    {outcome:<8}{check.name}: {reason}")
        for outcome, count in counts.items():
            self.counts[outcome] += count
        words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        print(f"{name}: {suite}: {words}", flush=True)

    def watch(self, name, door):
        """The gateway must end well, and have said nothing of a panic."""
        code = door.stop()
        if code != 0 or "panicked" in door.log.read_text(errors="replace"):
            self.note(f"{name}: postern", FAILED, f"it ended with {code}\n{door.tail()}")

    def sentence(self):
        passed, failed, skipped = (self.counts[o] for o in (PASSED, FAILED, SKIPPED))
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        return 1 if failed else 0


def excuse(name, check):
    """Why a check that fails is set aside."""
    if checks.dislikes_204(check):
        return "RFC 7644 allows a 204 after PATCH"
    return ASIDE.get((name, check.name)) or ASIDE.get(check.name)


if __name__ == "__main__":
    sys.exit(main())
