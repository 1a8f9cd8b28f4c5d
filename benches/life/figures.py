"""What postern costs while it does nothing, starts, and reloads.

start    spawn to /readyz 200, and to the first answer over TLS, beside nginx; in turns, medians
idle     memory of a process that serves nobody, then with 1,000 TLS connections that idle after a
         request each; its CPU meanwhile; nginx beside it
reload   a steady rate of requests to one of 100 tenants of 50 lines each, with 10,000 tokens; in
         every other round all of these files are swapped once a second, as kubelet swaps them (in
         the rounds between, as many files are written that nobody reads)

Everything is on loopback, with a fast dummy directory (nginx), TLS 1.3 and an RSA-2048 key. Memory is
/proc/PID/smaps_rollup, CPU is /proc/PID/task/*/schedstat; nginx counts with its master.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "proxy"), str(HERE.parent.parent / "tests" / "suites")]

import documents  # noqa: E402
import run as proxy  # noqa: E402
import servers  # noqa: E402
import world  # noqa: E402

CONNECTIONS = 1000
RATE = 1000
CLIENTS = 20


def main():
    options = arguments()
    servers.forget_proxies()
    with tempfile.TemporaryDirectory(prefix="postern-life-") as folder:
        folder = pathlib.Path(folder)
        names = ("DIRECTORY", "NGINX", "POSTERN", "PROBE")
        ports = {name: servers.free_port() for name in names}
        proxy.write_files(folder, ports)
        # Or nginx ends connections to make room.
        conf = folder / "nginx.conf"
        conf.write_text(conf.read_text().replace("connections 1024", "connections 4096"))
        with proxy.nginx(folder, "directory", ports):
            for part in options.only or PARTS:
                PARTS[part](folder, ports, options)


# start


def start(folder, ports, options):
    """Both in turns, each from nothing."""
    token = configure(folder, ports, options.binary)
    times = {"postern ready": [], "postern TLS": [], "nginx TLS": []}
    for _ in range(options.starts):
        began = time.perf_counter()
        with postern(folder, options.binary):
            until(lambda: ready(ports["PROBE"]))
            times["postern ready"].append(time.perf_counter() - began)
            until(lambda: answers(folder, ports["POSTERN"], token))
            times["postern TLS"].append(time.perf_counter() - began)
        began = time.perf_counter()
        with servers.Process("nginx", nginx_command(folder), folder):
            until(lambda: answers(folder, ports["NGINX"], token))
            times["nginx TLS"].append(time.perf_counter() - began)
    for name, seconds in times.items():
        print(f"start  {name:<14} {spread([s * 1e3 for s in seconds])} ms after the spawn", flush=True)


def ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/readyz")
    return connection.getresponse().status == 200


def answers(folder, port, token):
    with greeted(folder, port) as stream:
        return asked(stream, token).startswith(b"HTTP/1.1 200")


# idle


def idle(folder, ports, options):
    token = configure(folder, ports, options.binary)
    with postern(folder, options.binary) as ours:
        until(lambda: ready(ports["PROBE"]))
        idle_of(folder, "postern", [ours.child.pid], ports["POSTERN"], token, options)
    with servers.Process("nginx", nginx_command(folder), folder) as peer:
        until(lambda: answers(folder, ports["NGINX"], token))
        pids = [peer.child.pid, proxy.worker_of(peer)]
        idle_of(folder, "nginx", pids, ports["NGINX"], token, options)


def idle_of(folder, name, pids, port, token, options):
    time.sleep(2)
    show_memory(name, pids, "idle")
    show_cpu(name, pids, "idle", options)
    asked_once = answers(folder, port, token)
    show_memory(name, pids, f"after {int(asked_once)} request")
    streams = [greeted(folder, port) for _ in range(CONNECTIONS)]
    time.sleep(1)
    show_memory(name, pids, f"{CONNECTIONS} connections, greeted")
    for stream in streams:
        asked(stream, token)
    time.sleep(1)
    show_memory(name, pids, f"{CONNECTIONS} connections, a request each")
    show_cpu(name, pids, f"{CONNECTIONS} connections", options)
    gone = sum(has_ended(stream) for stream in streams)
    for stream in streams:
        stream.close()
    time.sleep(2)
    show_memory(name, pids, f"all closed ({gone} were before)")


def show_memory(name, pids, when):
    text = [pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    sizes = [
        sum(int(re.search(rf"^{key}:\s+(\d+) kB", one, re.M).group(1)) for one in text) / 1024
        for key in ("Pss", "Pss_Anon", "Rss")
    ]
    print(
        f"idle   {name:<8} PSS {sizes[0]:5.1f} MB ({sizes[1]:.1f} anonymous)  RSS {sizes[2]:5.1f} MB  {when}",
        flush=True,
    )


def show_cpu(name, pids, when, options):
    before = sum(cpu(pid) for pid in pids)
    time.sleep(options.seconds * 2)
    used = sum(cpu(pid) for pid in pids) - before
    print(f"idle   {name:<8} {used / options.seconds / 2 * 1e3:.3f} ms CPU a second, {when}", flush=True)


# reload


def reload(folder, ports, options):
    (folder / "pod").mkdir()
    pod = world.Pod(folder / "pod", ports, folder)
    # As many files for nobody, written in the other rounds.
    (folder / "nobody").mkdir()
    nobody = world.Pod(folder / "nobody", ports, folder)
    with postern(folder / "pod", options.binary) as ours:
        until(lambda: ready(ports["PROBE"]))
        pid = ours.child.pid
        show_memory("postern", [pid], f"{world.TENANTS} tenants, {world.TOKENS} tokens")
        load(folder, ports, pod, 2)
        rounds = {"still": [], "reloading": []}
        costs, swaps = [], 0
        for _ in range(options.rounds):
            for name, target in (("still", nobody), ("reloading", pod)):
                before, loaded = cpu(pid, "reload"), ours.log.read_text().count('"loaded"')
                stop = threading.Event()
                swapping = threading.Thread(target=swap, args=(target, stop))
                swapping.start()
                latencies = load(folder, ports, pod, options.seconds)
                stop.set()
                swapping.join()
                time.sleep(1)
                rounds[name].append(latencies)
                swaps = ours.log.read_text().count('"loaded"') - loaded
                if name == "reloading":
                    costs.append((cpu(pid, "reload") - before) / max(1, swaps) * 1e3)
                line = "  ".join(f"p{q * 100:g} {percentile(latencies, q):.2f}" for q in QUANTILES)
                print(f"reload {name:<9} {line} ms  {len(latencies)} requests, {swaps} reloads", flush=True)
        for q in QUANTILES:
            still, busy = (
                [percentile(one, q) for one in rounds[name]] for name in ("still", "reloading")
            )
            ratio = statistics.median(b / s for b, s in zip(busy, still))
            print(
                f"reload p{q * 100:g}: still {spread(still)}, reloading {spread(busy)} ms, ratio {ratio:.2f}"
            )
        print(f"reload CPU of the reload thread: {spread(costs)} ms a reload")
        show_memory("postern", [pid], "after all reloads")


def swap(pod, stop):
    number = 0
    while not stop.is_set():
        number += 1
        pod.swap(number)
        stop.wait(1)


def load(folder, ports, pod, seconds):
    """A steady rate for a while, whatever the answers take; gives the times in milliseconds."""
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    command = [
        "h2load", "-c", CLIENTS, "-t", 1, "-m", 32, "--rps", RATE // CLIENTS, "-D", int(seconds),
        "-H", f"authorization: Bearer {pod.token}", "--log-file", log,
        f"https://localhost:{ports['POSTERN']}/t0/scim/v2/Users/one",
    ]  # fmt: skip
    said = proxy.run(command, seconds)
    good, *bad = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said).groups()
    if any(int(count) for count in bad) or not int(good):
        raise servers.Failed(f"there were errors:\n{said}")
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    return sorted(int(row[2]) / 1e3 for row in rows)


# shared


def configure(folder, ports, binary):
    (folder / "access.yaml").write_text(servers.ACCESS.replace("[suite]", "[bench]"))
    (folder / "postern.yaml").write_text(
        f"listen: {{public: \"127.0.0.1:{ports['POSTERN']}\", probe: \"127.0.0.1:{ports['PROBE']}\","
        ' control: "127.0.0.1:0"}\n'
        "tls: {certificate: cert.pem, key: key.pem}\nworkers: 2\ntimeouts: {grace: 0s}\n"
        "log: {format: json}\n"
    )
    return servers.new_token(folder, binary)


def postern(folder, binary):
    command = [binary, "serve", "--config", "postern.yaml"]
    process = servers.Process("postern", command, folder, pipe=True)
    # Nobody reads its access lines, but somebody must take them.
    threading.Thread(target=drain, args=(process.child.stdout,), daemon=True).start()
    return process


def drain(pipe):
    while pipe.read1(1 << 16):
        pass


def nginx_command(folder):
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf"]


def greeted(folder, port):
    """A connection after its handshake."""
    if folder not in CONTEXTS:
        CONTEXTS[folder] = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        CONTEXTS[folder].set_alpn_protocols(["http/1.1"])
    stream = socket.create_connection(("127.0.0.1", port), timeout=10)
    return CONTEXTS[folder].wrap_socket(stream, server_hostname="localhost")


def asked(stream, token):
    """The answer to one request, whose connection stays open."""
    stream.sendall(
        b"GET /bench/scim/v2/Users/one HTTP/1.1\r\nhost: localhost\r\n"
        b"authorization: Bearer " + token.encode() + b"\r\n\r\n"
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += received(stream)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
    while len(body) < length:
        body += received(stream)
    json.loads(body)
    return head


def received(stream):
    part = stream.recv(1 << 16)
    if not part:
        raise ConnectionError("closed before the answer")
    return part


def has_ended(stream):
    stream.setblocking(False)
    try:
        return stream.recv(1) == b""
    except (ssl.SSLWantReadError, BlockingIOError):
        return False


def until(holds):
    end = time.monotonic() + servers.PATIENCE
    while time.monotonic() < end:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.0005)
    raise servers.Failed("it does not come up")


def cpu(pid, thread=None):
    """Seconds of CPU of a process, or of its threads of one name."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if thread is None or (task / "comm").read_text().strip() == thread:
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def spread(values):
    return f"{statistics.median(values):.2f} [{min(values):.2f}-{max(values):.2f}]"


QUANTILES = (0.5, 0.9, 0.99, 0.999)
CONTEXTS = {}
PARTS = {"start": start, "idle": idle, "reload": reload}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="postern, optimised")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10, help="of each round")
    parser.add_argument("--only", action="append", choices=list(PARTS))
    options = parser.parse_args()
    options.binary = options.binary.resolve()
    return options


if __name__ == "__main__":
    try:
        main()
    except servers.Failed as failure:
        sys.exit(f"{failure}")
