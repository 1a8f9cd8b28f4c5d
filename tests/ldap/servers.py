"""Starts LDAP servers on loopback with data folders of their own, runs a command that finds them
in POSTERN_TEST_SLAPD, POSTERN_TEST_389DS and POSTERN_TEST_SAMBA, and ends them by their pids.

usage: servers.py [--only NAME[,NAME]] [--keep] COMMAND [ARGUMENT...] [--then COMMAND...]

Every command is run, whatever came of those before.

Each variable holds JSON: url, ldaps, ldapi (where there is one), base, people, groups, units, bind_dn,
service_dn, password_file, ca, and for slapd a client's certificate and key. `bind_dn` is the
administrator, who prepares and looks; `service_dn` is postern's own account, with the rights that
docs/ldap.md tells to give it and no others: below the bases of the shipped rules, and below
`units`, where the tests make their own. A server that cannot be started is
named with the reason, and its tests are skipped. Samba's ports are fixed: it is started only in a
network namespace of its own, which `scripts/test ldap` makes.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
PASSWORD = "secret-of-the-tests"
# Active Directory insists on a better one.
SAMBA_PASSWORD = "Secret-of-the-tests-1"
PATIENCE = 90.0


class Unavailable(Exception):
    """A server cannot be had here; the text says why."""


def main():
    arguments = sys.argv[1:]
    only = ["slapd", "389ds", "samba"]
    keep = False
    while arguments and arguments[0].startswith("--"):
        option = arguments.pop(0)
        if option == "--only":
            only = arguments.pop(0).split(",")
        elif option == "--keep":
            keep = True
        elif option != "--":
            sys.exit(f"unknown option {option}\n{__doc__}")
    if not arguments:
        sys.exit(__doc__)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    # Who ends it early has the servers ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-ldap-"))
    # Servers that give up root's rights must still get in.
    folder.chmod(0o755)
    code = 0
    try:
        code = serve_all(only, folder, commands(arguments))
    except KeyboardInterrupt:
        # The terminal told the commands too: whoever asked for the end wants no traceback.
        code = 130
    finally:
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def serve_all(only, folder, wanted):
    """Starts the servers, runs the commands, ends the servers; the code of the first that failed."""
    environment = dict(os.environ)
    code = 0
    with contextlib.ExitStack() as running:
        for name in only:
            start, variable = STARTERS[name]
            begun = time.monotonic()
            place = folder / name
            place.mkdir(mode=0o755)
            try:
                told = start(place, running)
            except (Unavailable, OSError, subprocess.SubprocessError) as why:
                print(f"{name} is not started: {why}", flush=True)
                continue
            environment[variable] = json.dumps(told)
            took = time.monotonic() - begun
            print(f"{name} listens at {told['url']} after {took:.1f} s", flush=True)
        for command in wanted:
            done = subprocess.run(command, env=environment, check=False)
            code = code or done.returncode
    return code


def commands(arguments):
    """What stands between `--then`."""
    command = []
    for argument in [*arguments, "--then"]:
        if argument != "--then":
            command.append(argument)
        elif command:
            yield command
            command = []


def slapd(folder, running):
    """OpenLDAP's, with the overlays that matter here."""
    for program in ["slapd", "slapadd", "openssl"]:
        needs(program)
    certificates(folder)
    (folder / "db").mkdir()
    text = (HERE / "slapd.conf").read_text()
    text = text.replace("FOLDER", str(folder)).replace("#TLS ", "")
    (folder / "slapd.conf").write_text(text)
    secret(folder / "password", PASSWORD)
    run(["slapadd", "-q", "-f", folder / "slapd.conf", "-l", HERE / "base.ldif"], folder)
    plain, tls = free_port(), free_port()
    ldapi = "ldapi://" + str(folder / "ldapi").replace("/", "%2f")
    urls = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls} {ldapi}"
    child = start(["slapd", "-d", "0", "-f", folder / "slapd.conf", "-h", urls], folder, running)
    wait_for(plain, folder, child)
    base = "dc=example,dc=com"
    return {
        "url": f"ldap://localhost:{plain}",
        "ldaps": f"ldaps://localhost:{tls}",
        "ldapi": ldapi,
        "base": base,
        "people": f"ou=people,{base}",
        "groups": f"ou=groups,{base}",
        "units": f"ou=company,{base}",
        "bind_dn": f"cn=admin,{base}",
        "service_dn": f"cn=postern,ou=services,{base}",
        "password_file": str(folder / "password"),
        "ca": str(folder / "ca.pem"),
        "certificate": str(folder / "client.pem"),
        "key": str(folder / "client.key"),
    }


def ds389(folder, running):
    """389 Directory Server, set up by dscreate, which wants a systemctl."""
    for program in ["dscreate", "ns-slapd", "ldapadd"]:
        needs(program)
    if os.getuid() != 0:
        raise Unavailable("dscreate works for root only")
    plain, tls = free_port(), free_port()
    pid = folder / "ns-slapd.pid"
    base = "dc=example,dc=com"
    # dscreate finds an instance again only where Debian has them.
    name = f"postern{os.getpid()}"
    config = pathlib.Path(f"/etc/dirsrv/slapd-{name}")
    secret(folder / "password", PASSWORD)
    (folder / "instance.inf").write_text(
        DS389.format(name=name, plain=plain, tls=tls, base=base)
    )
    tools = folder / "tools"
    tools.mkdir()
    shutil.copy(HERE / "systemctl", tools)
    environment = dict(
        os.environ,
        PATH=f"{tools}:{os.environ['PATH']}",
        DS_CONFIG=str(config),
        DS_PID=str(pid),
    )
    # What dscreate leaves outside the folder is taken away again.
    running.callback(forget_389ds, name)
    running.callback(stop_by_file, pid)
    run(["dscreate", "from-file", folder / "instance.inf"], folder, environment)
    wait_for(plain, folder)
    where = ["-H", f"ldap://127.0.0.1:{plain}", "-D", "cn=Directory Manager"]
    apply(folder, where, (HERE / "389ds.ldif").read_text())
    return {
        "url": f"ldap://localhost:{plain}",
        "ldaps": f"ldaps://localhost:{tls}",
        "base": base,
        "people": f"ou=people,{base}",
        "groups": f"ou=groups,{base}",
        "units": f"ou=company,{base}",
        "bind_dn": "cn=Directory Manager",
        "service_dn": f"cn=postern,ou=services,{base}",
        "password_file": str(folder / "password"),
        "ca": str(config / "ca.crt"),
    }


def samba(folder, running):
    """Samba as an Active Directory domain controller, LDAP only."""
    for program in ["samba", "samba-tool", "openssl", "ldapmodify"]:
        needs(program)
    if os.getuid() != 0:
        raise Unavailable("a domain controller needs root")
    if not namespace():
        raise Unavailable("its ports are fixed, and this is not a network namespace of its own")
    secret(folder / "password", SAMBA_PASSWORD)
    # Its own certificate is in the name of the machine.
    certificates(folder)
    options = ["--option=interfaces=lo", "--option=bind interfaces only=yes"]
    run(
        ["samba-tool", "domain", "provision", f"--targetdir={folder}/dc",
         "--realm=EXAMPLE.COM", "--domain=EXAMPLE", f"--adminpass={SAMBA_PASSWORD}",
         "--server-role=dc", "--dns-backend=NONE", *options],
        folder,
    )  # fmt: skip
    child = start(
        ["samba", "-i", "--no-process-group", "-s", f"{folder}/dc/etc/smb.conf",
         "--option=server services=ldap", f"--option=tls certfile={folder}/server.pem",
         f"--option=tls keyfile={folder}/server.key", f"--option=tls cafile={folder}/ca.pem",
         # Another one may run in another network, with the usual folders.
         *(f"--option={kind}={folder}/dc" for kind in ["pid directory", "ncalrpc dir"])],
        folder,
        running,
    )  # fmt: skip
    wait_for(636, folder, child)
    base = "DC=example,DC=com"
    administrator = f"CN=Administrator,CN=Users,{base}"
    where = ["-H", "ldaps://127.0.0.1:636", "-D", administrator]
    password = base64.b64encode(f'"{SAMBA_PASSWORD}"'.encode("utf-16-le")).decode()
    apply(folder, where, (HERE / "samba.ldif").read_text().replace("PASSWORD", password))
    delegate(folder, where, base)
    return {
        "url": "ldap://localhost:389",
        "ldaps": "ldaps://localhost:636",
        "base": base,
        "people": f"CN=Users,{base}",
        "groups": f"CN=Users,{base}",
        "units": f"OU=Company,{base}",
        "bind_dn": administrator,
        "service_dn": f"CN=postern,OU=Services,{base}",
        "password_file": str(folder / "password"),
        "ca": str(folder / "ca.pem"),
    }


def delegate(folder, where, base):
    """Gives the account of postern its rights in Active Directory: those that docs/ldap.md lists for
    `dsacls`, in the language of security descriptors, which is Samba's."""
    (account,) = find(folder, where, f"CN=postern,OU=Services,{base}", "(objectClass=user)",
                      ["objectSid"])  # fmt: skip
    sid = sid_text(account["objectSid"])
    names = {"user", "group", *USER_ATTRIBUTES, *GROUP_ATTRIBUTES}
    wanted = "".join(f"(lDAPDisplayName={name})" for name in sorted(names))
    schema = find(folder, where, f"CN=Schema,CN=Configuration,{base}", f"(|{wanted})",
                  ["lDAPDisplayName", "schemaIDGUID"])  # fmt: skip
    guids = {
        entry["lDAPDisplayName"].decode(): uuid.UUID(bytes_le=entry["schemaIDGUID"])
        for entry in schema
    }
    user, group = guids["user"], guids["group"]
    users = [f"(OA;CI;CCDC;{user};;{sid})", f"(OA;CIIO;RP;;{user};{sid})"]
    users += [f"(OA;CIIO;WP;{guids[name]};{user};{sid})" for name in USER_ATTRIBUTES]
    users += [f"(OA;CIIO;CR;{RESET_PASSWORD};{user};{sid})"]
    groups = [f"(OA;CI;CCDC;{group};;{sid})", f"(OA;CIIO;RP;;{group};{sid})"]
    groups += [f"(OA;CIIO;WP;{guids[name]};{group};{sid})" for name in GROUP_ATTRIBUTES]
    for unit, rights in [
        ("Staff", users), ("Leavers", users), ("Groups", groups), ("Company", users + groups),
    ]:  # fmt: skip
        run(
            ["samba-tool", "dsacl", "set", "-H", f"{folder}/dc/private/sam.ldb",
             f"--configfile={folder}/dc/etc/smb.conf",
             f"--objectdn=OU={unit},{base}", f"--sddl={''.join(rights)}"],
            folder,
        )  # fmt: skip


def sid_text(sid):
    """A security identifier as it stands in a descriptor."""
    parts = [int.from_bytes(sid[at : at + 4], "little") for at in range(8, len(sid), 4)]
    return "-".join(["S", str(sid[0]), str(int.from_bytes(sid[2:8], "big")), *map(str, parts)])


STARTERS = {
    "slapd": (slapd, "POSTERN_TEST_SLAPD"),
    "389ds": (ds389, "POSTERN_TEST_389DS"),
    "samba": (samba, "POSTERN_TEST_SAMBA"),
}


def secret(file, text):
    file.touch(mode=0o600)
    file.write_text(text)


def apply(folder, where, changes):
    """Makes changes, given as LDIF, by OpenLDAP's own client."""
    (folder / "changes.ldif").write_text(changes)
    environment = dict(os.environ, LDAPTLS_CACERT=str(folder / "ca.pem"))
    command = ["ldapmodify", "-a", "-x", *where, "-y", folder / "password"]
    run([*command, "-f", folder / "changes.ldif"], folder, environment)


def find(folder, where, base, wanted, attributes):
    """Entries with the first value of each attribute, found by OpenLDAP's own client."""
    environment = dict(os.environ, LDAPTLS_CACERT=str(folder / "ca.pem"))
    command = ["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-x", *where, "-y", folder / "password"]
    text = run([*command, "-b", base, wanted, *attributes], folder, environment)
    entries = []
    for block in re.split(r"\n\n+", text):
        entry = {}
        for name, mark, value in re.findall(r"(?m)^([\w-]+)(::?) (.*)$", block):
            entry.setdefault(name, base64.b64decode(value) if mark == "::" else value.encode())
        if "dn" in entry:
            entries.append(entry)
    return entries


def needs(program):
    if not shutil.which(program):
        raise Unavailable(f"{program} is not installed")


def namespace():
    """Whether nothing but loopback is here, as in a network that was made for us."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def start(command, folder, running):
    """Starts a program that runs until the end."""
    log = (folder / "log").open("ab")
    child = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        # A group of its own: samba starts others.
        start_new_session=True,
    )
    running.callback(stop, child)
    return child


def stop(child):
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def stop_by_file(file):
    try:
        pid = int(file.read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except OSError:
            return
        time.sleep(0.1)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def forget_389ds(name):
    paths = [f"/etc/dirsrv/slapd-{name}", f"/etc/default/dirsrv-{name}"]
    paths += [f"/var/{part}/dirsrv/slapd-{name}" for part in ["lib", "log", "lock", "run"]]
    paths += [f"/run/slapd-{name}.socket", f"/run/lock/dirsrv/slapd-{name}"]
    for path in map(pathlib.Path, paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def wait_for(port, folder, child=None):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and (child is None or child.poll() is None):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Unavailable(f"nothing listens at {port}: {tail(folder / 'log')}")


def tail(log):
    if not log.exists():
        return "it said nothing"
    return " | ".join(log.read_text(errors="replace").splitlines()[-5:]) or "it said nothing"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificates(folder):
    """A CA, and certificates of a server and of a client."""
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(
        ["openssl", "req", "-x509", *ec, "-days", "2", "-subj", "/CN=the tests' CA",
         "-keyout", "ca.key", "-out", "ca.pem"],
        folder,
    )  # fmt: skip
    for name, subject, more in [
        ("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ("client", "/CN=postern", "extendedKeyUsage=clientAuth"),
    ]:
        run(
            ["openssl", "req", *ec, "-subj", subject, "-keyout", f"{name}.key",
             "-out", f"{name}.csr"],
            folder,
        )  # fmt: skip
        (folder / f"{name}.ext").write_text(f"{more}\n")
        run(
            ["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem"],
            folder,
        )  # fmt: skip


def run(command, folder, environment=None):
    command = [str(part) for part in command]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=180,
    )
    with (folder / "log").open("a") as log:
        log.write(done.stdout + done.stderr)
    if done.returncode != 0:
        words = (done.stdout + done.stderr).strip().splitlines()[-5:]
        raise Unavailable(f"{command[0]} ended with {done.returncode}: {' | '.join(words)}")
    return done.stdout


# What rules/active-directory.yaml writes; an entry is renamed by `cn` and `name`. The last is for a
# test's line of its own, with many values.
USER_ATTRIBUTES = """
    cn name userPrincipalName sAMAccountName givenName sn displayName mail telephoneNumber mobile
    streetAddress l st postalCode title employeeNumber employeeType department company employeeID
    manager userAccountControl unicodePwd otherTelephone
""".split()
GROUP_ATTRIBUTES = "cn name sAMAccountName groupType info member".split()
RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"

DS389 = """\
[general]
config_version = 2
full_machine_name = localhost
start = True
systemd = False
selinux = False
strict_host_checking = False
defaults = 999999999

[slapd]
instance_name = {name}
user = root
group = root
root_dn = cn=Directory Manager
root_password = secret-of-the-tests
port = {plain}
secure_port = {tls}
self_sign_cert = True

[backend-userroot]
suffix = {base}
create_suffix_entry = True
sample_entries = no
"""


if __name__ == "__main__":
    main()
