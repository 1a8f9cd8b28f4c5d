"""CPU per request of postern, as a multiple of nginx passing the same bytes through.

Both stand before the same fast dummy directory, one worker each, TLS 1.3, keep-alive, 64 connections,
RSA-2048, loopback. Rounds are taken in turns (A B A B), and the ratio is the median of the rounds'
own ratios: on a shared machine times move, ratios within a round hardly do. What is counted is the
CPU of the proxy process with all its threads, from /proc/PID/stat. Postern also checks a token, maps
every document and writes its log (to /dev/null); nginx does none of these and writes no log.
"""

import argparse
import json
import os
import pathlib
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "suites"))

import documents  # noqa: E402
import servers  # noqa: E402

CONNECTIONS = 64


class Shape:
    """One kind of request."""

    def __init__(self, name, method, path, body=None, http2=False):
        self.name, self.method, self.path, self.http2 = name, method, path, http2
        self.body = body and documents.dense(body)


SHAPES = [
    Shape("GET", "GET", "/Users/one"),
    Shape("POST", "POST", "/Users", documents.USER),
    Shape("PATCH", "PATCH", "/Users/one", documents.PATCH),
    Shape("LIST 100", "GET", "/Users?count=100"),
    Shape("POST h2", "POST", "/Users", documents.USER, http2=True),
]


def main():
    options = arguments()
    servers.forget_proxies()
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        folder = pathlib.Path(folder)
        ports = {name: servers.free_port() for name in ("DIRECTORY", "NGINX", "POSTERN")}
        write_files(folder, ports)
        with nginx(folder, "directory", ports), nginx(folder, "nginx", ports) as peer:
            with postern(folder, options.binary, ports) as ours:
                places = {
                    "nginx": (worker_of(peer), f"https://localhost:{ports['NGINX']}/bench/scim/v2"),
                    "postern": (ours.child.pid, f"https://localhost:{ports['POSTERN']}/bench/scim/v2"),
                }
                for name, (pid, _) in places.items():
                    print(f"{name}: {memory(pid):.1f} MB before the first request")
                for shape in SHAPES:
                    if not options.shape or shape.name in options.shape:
                        measure(folder, shape, places, ours.token, options)
                for name, (pid, _) in places.items():
                    print(f"{name}: {memory(pid):.1f} MB at the end")


def measure(folder, shape, places, token, options):
    """Rounds in turns, after a look at one answer and a warm-up; prints one line."""
    for name, (_, url) in places.items():
        look(folder, name, url, shape, token)
        load(folder, url, shape, token, min(1.0, options.seconds))
    rounds = []
    for _ in range(options.rounds):
        cost = {}
        for name, (pid, url) in places.items():
            before = cpu_seconds(pid)
            requests, per_second = load(folder, url, shape, token, options.seconds)
            cost[name] = ((cpu_seconds(pid) - before) / requests * 1e6, per_second)
        rounds.append(cost)
    ratios = [cost["postern"][0] / cost["nginx"][0] for cost in rounds]
    line = f"{shape.name:<9}"
    for name in places:
        micros = statistics.median(cost[name][0] for cost in rounds)
        per_second = statistics.median(cost[name][1] for cost in rounds)
        line += f"  {name} {micros:7.1f} us CPU/request ({per_second:7.0f}/s)"
    line += f"  ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"
    print(line, flush=True)


def load(folder, url, shape, token, seconds):
    """Loads a server for a while; gives the number of requests and their rate."""
    return (h2load if shape.http2 else wrk)(folder, url, shape, token, seconds)


def wrk(folder, url, shape, token, seconds):
    script = folder / "wrk.lua"
    script.write_text(
        f"wrk.method = {json.dumps(shape.method)}\n"
        f"wrk.headers['Authorization'] = 'Bearer {token}'\n"
        + (
            f"wrk.headers['Content-Type'] = 'application/scim+json'\nwrk.body = [==[{shape.body}]==]\n"
            if shape.body
            else ""
        )
    )
    command = ["wrk", "-t", 1, "-c", CONNECTIONS, "-d", f"{max(1, round(seconds))}s", "-s", script]
    said = run([*command, f"{url}{shape.path}"], seconds)
    if "Non-2xx" in said or "Socket errors" in said:
        raise servers.Failed(f"{shape.name} at {url} had errors:\n{said}")
    return int(found(r"(\d+) requests in", said)), float(found(r"Requests/sec:\s+([\d.]+)", said))


def h2load(folder, url, shape, token, seconds):
    body = folder / "h2load.json"
    body.write_text(shape.body)
    command = ["h2load", "-c", CONNECTIONS, "-m", 1, "-t", 1, "-D", max(1, round(seconds)), "-d", body]
    headers = ["-H", f"authorization: Bearer {token}", "-H", "content-type: application/scim+json"]
    said = run([*command, *headers, f"{url}{shape.path}"], seconds)
    good, *bad = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said).groups()
    if any(int(count) for count in bad):
        raise servers.Failed(f"{shape.name} at {url} had errors:\n{said}")
    return int(good), float(found(r"([\d.]+) req/s", said))


def run(command, seconds):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=seconds * 3 + 30
    )
    if done.returncode != 0:
        raise servers.Failed(f"{command[0]}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def found(pattern, text):
    match = re.search(pattern, text)
    if not match:
        raise servers.Failed(f"nothing like {pattern} in\n{text}")
    return match.group(1)


def look(folder, name, url, shape, token):
    """One request, whose answer must be what this proxy should give: mapped, or as it is."""
    request = urllib.request.Request(
        f"{url}{shape.path}",
        data=shape.body and shape.body.encode(),
        method=shape.method,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"},
    )
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        document = json.load(answer)
    person = document.get("Resources", [document])[-1]
    key, value = ("userName", True) if name == "postern" else ("login", "enabled")
    status = person.get("active" if name == "postern" else "status")
    if key not in person or status != value:
        raise servers.Failed(f"{name} answers {shape.name} with {documents.dense(document)[:2000]}")


def write_files(folder, ports):
    """Everything that the three programs read."""
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
    ]  # fmt: skip
    servers.run(command, folder)
    person = documents.dense(documents.PERSON)
    # In a folder of its own: postern watches the one of its configuration.
    served = folder / "served"
    served.mkdir()
    (served / "person.json").write_text(person)
    (served / "list.json").write_text(documents.dense(documents.people(100)))
    (served / "config.json").write_text(documents.dense(documents.CONFIG))
    (folder / "rules").mkdir()
    (folder / "rules" / "directory.token").write_text("bench\n")
    (folder / "directory.token").write_text("bench\n")
    (folder / "access.yaml").write_text(servers.ACCESS.replace("[suite]", "[bench]"))
    (folder / "postern.yaml").write_text(
        servers.POSTERN.replace("PORT", str(ports["POSTERN"])) + "workers: 1\n"
    )
    # nginx reads a backslash in a quoted word as an escape.
    filled = {"FOLDER": str(folder), "PERSON": person.replace("\\", "\\\\")}
    filled |= {name: str(port) for name, port in ports.items()}
    pattern = re.compile(r"\b(" + "|".join(filled) + r")\b")
    for source, target in [
        ("directory.conf", "directory.conf"),
        ("nginx.conf", "nginx.conf"),
        ("rule.yaml", "rules/bench.yaml"),
    ]:
        text = (HERE / source).read_text()
        (folder / target).write_text(pattern.sub(lambda match: filled[match.group()], text))
    # nginx drops its rights when it is started as root, and must still read what is served.
    folder.chmod(0o755)


def nginx(folder, name, ports):
    process = servers.Process(name, ["nginx", "-p", folder, "-c", folder / f"{name}.conf"], folder)
    if name == "directory":
        process.wait_for_http(f"http://127.0.0.1:{ports['DIRECTORY']}/v2/People/one")
    return process


def postern(folder, binary, ports):
    token = servers.new_token(folder, binary)
    command = [binary, "serve", "--config", "postern.yaml", "--json"]
    with open(os.devnull, "ab") as nowhere:
        process = servers.Process("postern", command, folder, pipe=True, words=nowhere)
    process.json_line()
    process.token = token
    return process


def worker_of(process):
    """The pid of nginx's one worker, which does the work."""
    children = pathlib.Path(f"/proc/{process.child.pid}/task/{process.child.pid}/children")
    end = time.monotonic() + servers.PATIENCE
    while not (pids := children.read_text().split()) and time.monotonic() < end:
        time.sleep(0.05)
    return int(pids[0])


def cpu_seconds(pid):
    """User and system time of a process, all threads, in hundredths."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """The proportional set size in MB."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M).group(1)) / 1024


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="postern, optimised")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5, help="of each round and proxy")
    parser.add_argument("--shape", action="append", choices=[shape.name for shape in SHAPES])
    options = parser.parse_args()
    options.binary = options.binary.resolve()
    return options


if __name__ == "__main__":
    try:
        main()
    except servers.Failed as failure:
        sys.exit(f"{failure}")
