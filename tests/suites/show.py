"""postern with the shipped rule in front of a slapd of its own: prints commands to try, until Ctrl-C.
With --once it runs them itself, and ends.

usage: tests/ldap/servers.py --only slapd python3 tests/suites/show.py BINARY [--once]
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import servers
import shipped


def main():
    told = json.loads(os.environ.get("POSTERN_TEST_SLAPD") or sys.exit("there is no slapd"))
    binary = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="postern-show-") as folder:
        with servers.serve(folder, binary, shipped.rule("slapd", told)) as door:
            commands = [
                line.format(
                    url=door.url, ca=door.ca, token=door.token, ldap=told["url"], base=told["base"]
                )
                for line in COMMANDS
            ]
            print("A new user, and its entry in the directory:\n")
            print("\n\n".join(commands), flush=True)
            if "--once" in sys.argv:
                said = [run(command) for command in commands]
                assert '"id"' in said[0] and "dn: uid=ada," in said[1], said
                assert '"totalResults":1' in said[2].replace(" ", ""), said
                print(f"{len(said)} passed, 0 failed, 0 skipped")
            else:
                print("\nCtrl-C ends it.", flush=True)
                wait()


def run(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def wait():
    while True:
        time.sleep(3600)


COMMANDS = [
    """curl --noproxy '*' --silent --fail --cacert {ca} -H 'Authorization: Bearer {token}' \\
    -H 'Content-Type: application/scim+json' {url}/Users \\
    -d '{{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada", """
    """"name": {{"givenName": "Ada", "familyName": "Lovelace"}}}}'""",
    "ldapsearch -x -LLL -H {ldap} -b {base} '(uid=ada)'",
    """curl --noproxy '*' --silent --fail --cacert {ca} -H 'Authorization: Bearer {token}' \\
    --get {url}/Users --data-urlencode 'filter=userName eq "ada"'""",
]

if __name__ == "__main__":
    # Whenever it comes, Ctrl-C is the way to end this.
    with contextlib.suppress(KeyboardInterrupt):
        main()
