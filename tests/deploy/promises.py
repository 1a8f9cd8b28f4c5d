"""What deploy/kubernetes promises of a rendered overlay. Every function yields what is broken."""

import ipaddress
import re

from rendered import CONFIGURATION, RULES, examples

USER = 65532
PORTS = {"scim": 8443, "probe": 9464}
MOUNTS = {
    "/etc/postern": ("configMap", CONFIGURATION),
    "/etc/postern/rules": ("configMap", RULES),
    "/etc/postern/access": ("secret", "postern-access"),
    "/etc/postern/tls": ("secret", "postern-tls"),
    "/etc/postern/secrets": ("secret", "postern-secrets"),
}
OURS = ("postern-check", "postern")


def locked_in(overlay):
    """Pod security standard `restricted`, and what goes beyond it."""
    pod = overlay.pod
    if pod.get("automountServiceAccountToken") is not False:
        yield "the pod gets a service account's token"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"the pod asks for {key}"
    if pod["securityContext"].get("fsGroup") is None:
        yield "without an fsGroup nobody but root can read a Secret of mode 0440"
    for container in pod["initContainers"] + pod["containers"]:
        context = container.get("securityContext", {})
        merged = pod["securityContext"] | context
        wanted = {
            "allowPrivilegeEscalation": (context, False),
            "readOnlyRootFilesystem": (context, True),
            "runAsNonRoot": (merged, True),
            "capabilities": (context, {"drop": ["ALL"]}),
            "seccompProfile": (merged, {"type": "RuntimeDefault"}),
        }
        for key, (where, value) in wanted.items():
            if where.get(key) != value:
                yield f"{container['name']}: {key} is {where.get(key)}, not {value}"
    # Said by ours themselves: in a sidecar the rest of the pod is another's.
    for called in OURS:
        context = overlay.container(called)["securityContext"]
        for key in ("runAsUser", "runAsGroup"):
            if context.get(key) != USER:
                yield f"{called}: {key} is {context.get(key)}, not {USER}"


def probed(overlay):
    """Three probes on the probe port, and a start that is not cut short."""
    container = overlay.container("postern")
    wanted = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for probe, path in wanted.items():
        got = container.get(probe, {}).get("httpGet")
        if got != {"path": path, "port": "probe"}:
            yield f"{probe} asks {got}, not {path} of the port `probe`"


def timed(overlay):
    """Whoever came in the last moment is answered before kubelet kills."""
    times = overlay.configuration()["timeouts"]
    grace, drain = seconds(times["grace"]), seconds(times["drain"])
    longest = max(seconds(times["request"]), seconds(times["bulk"]))
    if grace < 5:
        yield f"`grace` ({grace} s) is too short for endpoints to be taken out"
    if drain < grace + longest:
        yield f"`drain` ({drain} s) is less than `grace` and the longest request ({grace + longest} s)"
    needed = drain + 5
    for container in overlay.pod["containers"]:
        if container["name"] == "postern":
            continue
        # A sidecar is told to stop when all others have ended.
        wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if wait < grace:
            yield f"{container['name']} ends before its clients have heard that the pod goes"
        needed += wait
    term = overlay.pod["terminationGracePeriodSeconds"]
    if term < needed:
        yield f"terminationGracePeriodSeconds is {term}, less than {needed}"


def mounted(overlay):
    """Whole folders, at the places that postern.yaml names."""
    volumes = {volume["name"]: volume for volume in overlay.pod["volumes"]}
    for called in OURS:
        places = {}
        for mount in overlay.container(called)["volumeMounts"]:
            path = mount["mountPath"]
            places[path] = mount["name"]
            for key in ("subPath", "subPathExpr"):
                if key in mount:
                    yield f"{called}: {path} is mounted by {key}: kubelet never updates it"
            if not mount.get("readOnly"):
                yield f"{called}: {path} is mounted to be written"
        if places.keys() != MOUNTS.keys():
            yield f"{called} has mounts at {sorted(places)}, not at {sorted(MOUNTS)}"
        for path, (kind, source) in MOUNTS.items():
            volume = volumes.get(places.get(path), {}).get(kind, {})
            got = volume.get("secretName") or volume.get("name")
            if got != source:
                yield f"{called}: {path} is {got}, not the {kind} {source}"
            if "items" in volume or volume.get("optional"):
                yield f"{called}: {path} is a choice of files, not all of the {kind}"
            if kind == "secret" and volume.get("defaultMode") != 0o440:
                yield f"{called}: {path} has a mode other than 0440"
    if overlay.container("postern")["args"] != ["serve", "--config", "/etc/postern/postern.yaml"]:
        yield "postern does not serve what is mounted"
    check = overlay.container("postern-check")["args"]
    if check[:3] != ["check", "--config", "/etc/postern/postern.yaml"]:
        yield "postern-check does not check what is mounted"


def filled(overlay):
    """Every file that postern.yaml and the rules name is in a mount, and in the example."""
    file = overlay.configuration()
    tls = file["tls"]
    places = [tls["certificate"], tls["key"], file["access"]]
    if file["rules"] != "rules":
        yield "the folder of the rules is not the mounted one"
    for rule in overlay.rules().values():
        (backend,) = rule["backend"].values()
        places += [v for k, v in flat(backend) if k.endswith("_file")]
    for place in places:
        path = f"/etc/postern/{place}" if not place.startswith("/") else place
        folder, _, key = path.rpartition("/")
        kind, source = MOUNTS.get(folder, (None, None))
        if kind != "secret" or key not in examples()[source]["stringData"]:
            yield f"nothing mounts {path}, or secrets.example.yaml does not have it"
    shipped = {one["metadata"]["name"] for one in overlay.all("Secret")}
    if shipped:
        yield f"applying the overlay again would write over {sorted(shipped)}"


def connected(overlay):
    """Listeners, ports, Services, selectors and policies mean the same."""
    listen = overlay.configuration()["listen"]
    for called, place in (("scim", listen["public"]), ("probe", listen["probe"])):
        host, _, port = place.rpartition(":")
        if int(port) != PORTS[called] or ipaddress.ip_address(host.strip("[]")).is_loopback:
            yield f"{called} is at {place}: not port {PORTS[called]} of every address"
    if listen["control"] != "127.0.0.1:9465":
        yield f"the control listener is at {listen['control']}"
    ports = {p["name"]: p["containerPort"] for p in overlay.container("postern")["ports"]}
    if ports != PORTS:
        yield f"the container's ports are {ports}"
    for service in overlay.all("Service"):
        called, spec = service["metadata"]["name"], service["spec"]
        if not spec["selector"].items() <= overlay.labels.items():
            yield f"Service {called} selects no pod"
        targets = [port["targetPort"] for port in spec["ports"]]
        if targets != (["probe"] if called == "postern-probe" else ["scim"]):
            yield f"Service {called} leads to {targets}"
    front = overlay.one("Service", "postern")["spec"]
    if front.get("sessionAffinity") != "ClientIP":
        yield "a client that pages by index may change replicas (decision 40)"
    if not overlay.one("Service", "postern-probe")["spec"].get("publishNotReadyAddresses"):
        yield "a pod that is not ready would not be scraped"
    selector = overlay.workload["spec"]["selector"]["matchLabels"]
    if not selector.items() <= overlay.labels.items():
        yield "the Deployment does not select its own pods"


def fenced(overlay):
    """Nothing in but clients and Prometheus, nothing out but names and the directory."""
    both, ways = False, []
    for policy in overlay.all("NetworkPolicy"):
        spec = policy["spec"]
        if not spec["podSelector"].get("matchLabels", {}).items() <= overlay.labels.items():
            yield f"NetworkPolicy {policy['metadata']['name']} selects no pod of ours"
            continue
        both |= spec["policyTypes"] == ["Ingress", "Egress"]
        for way, side in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(way, []):
                if not rule.get(side) or not rule.get("ports"):
                    yield f"a rule of {way} admits everyone or every port"
                ways.append((way, sorted(port["port"] for port in rule.get("ports", []))))
    if not both:
        yield "no policy closes both directions"
    wanted = [("ingress", [8443]), ("ingress", [9464]), ("egress", [53, 53])]
    if overlay.overlay == "gateway":
        wanted.append(("egress", [443]))
    if sorted(ways) != sorted(wanted):
        yield f"open are {ways}, not {wanted}"
    for rule in overlay.one("NetworkPolicy", "postern")["spec"]["ingress"]:
        sources = rule.get("from", [{}])
        if rule["ports"][0]["port"] == 9464 and "namespaceSelector" not in sources[0]:
            yield "the probe port is open to more than Prometheus' namespace"


def scraped(overlay):
    """The ServiceMonitor finds the Service, and the port in it."""
    monitor = overlay.one("ServiceMonitor", "postern")["spec"]
    labels = monitor["selector"]["matchLabels"].items()
    found = [s for s in overlay.all("Service") if labels <= s["metadata"]["labels"].items()]
    if [s["metadata"]["name"] for s in found] != ["postern-probe"]:
        yield f"the ServiceMonitor selects {len(found)} Services, not postern-probe alone"
        return
    names = {port["name"] for port in found[0]["spec"]["ports"]}
    (endpoint,) = monitor["endpoints"]
    if endpoint["port"] not in names or endpoint["path"] != "/metrics":
        yield "the ServiceMonitor asks a port or path that is not there"
    if found[0]["metadata"]["labels"].get(monitor["jobLabel"]) != "postern":
        yield 'the label `job` would not be "postern", which alerts count on'


def steady(overlay):
    """No pod goes before another has come; memory is bounded, CPU is not throttled."""
    strategy = overlay.workload["spec"]["strategy"]
    if strategy["type"] != "RollingUpdate" or strategy["rollingUpdate"]["maxUnavailable"] != 0:
        yield "an update takes a pod away before another is ready"
    resources = overlay.container("postern")["resources"]
    if {"cpu", "memory"} - resources["requests"].keys() or "memory" not in resources["limits"]:
        yield "postern has no requests, or no limit of memory"
    if "cpu" in resources["limits"]:
        yield "a limit of CPU would throttle postern in the middle of a handshake"
    for called in ("configMap", "secret"):
        for volume in overlay.pod["volumes"]:
            source = volume.get(called, {})
            if re.search(r"-[a-z0-9]{10}$", source.get("name", source.get("secretName", ""))):
                yield f"{volume['name']} has a hash in its name: a change would roll all pods"


def shaped(overlay):
    """What makes the gateway a gateway and the sidecar a sidecar."""
    container = overlay.container("postern")
    beside = container in overlay.pod["initContainers"]
    if overlay.overlay == "gateway":
        if beside:
            yield "postern is not the pod's own container"
        if "replicas" in overlay.workload["spec"]:
            yield "`replicas` sets back what the autoscaler chose"
        scaler = overlay.one("HorizontalPodAutoscaler", "postern")["spec"]
        target = overlay.workload
        if scaler["scaleTargetRef"] != {
            "apiVersion": target["apiVersion"],
            "kind": target["kind"],
            "name": target["metadata"]["name"],
        }:
            yield "the autoscaler scales something else"
        if scaler["minReplicas"] < 2:
            yield "one replica is none while it is replaced"
        budget = overlay.one("PodDisruptionBudget", "postern")["spec"]
        if not budget["selector"]["matchLabels"].items() <= overlay.labels.items():
            yield "the disruption budget selects no pod"
        if budget.get("maxUnavailable") != 1:
            yield "the disruption budget does not leave all but one"
        for spread in overlay.pod.get("topologySpreadConstraints", [{}]):
            labels = spread.get("labelSelector", {}).get("matchLabels", {})
            if not labels or not labels.items() <= overlay.labels.items():
                yield "pods are not spread"
        return
    if not beside or container.get("restartPolicy") != "Always":
        yield "postern is no sidecar: an init container with restartPolicy Always"
    names = [found["name"] for found in overlay.pod["initContainers"]]
    if names.index("postern-check") > names.index("postern"):
        yield "the check comes after what it checks"
    for found in overlay.pod["containers"]:
        if found.get("ports"):
            yield f"{found['name']} names ports: postern is to be the only way in"
        if not any("127.0.0.1:" in argument for argument in found.get("args", [])):
            yield f"{found['name']} listens on more than the pod's loopback"
    for file, rule in overlay.rules().items():
        if not rule["backend"]["scim"]["url"].startswith("http://127.0.0.1:"):
            yield f"{file} does not go to the directory beside"


PROMISES = [locked_in, probed, timed, mounted, filled, connected, fenced, scraped, steady, shaped]


def same_postern(gateway, sidecar):
    """Both shapes run the same containers of ours."""
    for called in OURS:
        ours, theirs = (dict(one.container(called)) for one in (gateway, sidecar))
        theirs.pop("restartPolicy", None)
        if ours != theirs:
            yield f"{called} differs between gateway and sidecar"


def seconds(text):
    """`135s`, `2m` in seconds."""
    number, unit = re.fullmatch(r"(\d+) ?(s|m)", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def flat(tree):
    """Every key with its value, however deep."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value)
        else:
            yield key, value
