"""Sends requests through postern and holds the traces that come of them against OpenTelemetry's own
schema: every message must be an ExportTraceServiceRequest without an unknown field, and every
attribute one of the semantic conventions or one of postern's.
"""

import argparse
import base64
import http.server
import json
import pathlib
import ssl
import sys
import tempfile
import threading
import urllib.error
import urllib.request

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.semconv.attributes import (
    client_attributes,
    error_attributes,
    http_attributes,
    network_attributes,
    server_attributes,
    service_attributes,
    url_attributes,
)

import servers

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
USER_NAME = "otlp.somebody@example.com"
OURS = {
    "postern.directory_calls",
    "postern.mapping_us",
    "postern.operation",
    "postern.request_id",
    "postern.resource",
    "postern.revision",
    "postern.tenant",
}
# Of the conventions that are not stable yet.
INCUBATING = {"host.name", "service.instance.id"}


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True, type=pathlib.Path)
    binary = options.parse_args().binary.resolve()
    servers.forget_proxies()
    collector = Collector()
    with tempfile.TemporaryDirectory(prefix="postern-otlp-") as folder:
        with servers.directory(folder, "rfc") as directory:
            more = f'traces: {{endpoint: "{collector.url}"}}\n'
            with servers.gateway(folder, binary, "identity", directory.url, more) as door:
                sent = talk(door)
                code = door.stop()
    results = Results()
    results.hold("postern ends well", code == 0, code)
    judge(collector.messages, sent, results)
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed else 0


class Results:
    """Counts, and says what failed."""

    def __init__(self):
        self.passed = self.failed = 0

    def hold(self, what, holds, found=None):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {what}: {found!r}")


class Collector:
    """Takes what is posted, as a collector does."""

    def __init__(self):
        self.messages = messages = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                messages.append((self.headers["content-type"], body))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/v1/traces"


def talk(door):
    """One request of every sort. Returns how many were sent."""
    context = ssl.create_default_context(cafile=door.ca)
    sent = 0

    def ask(method, path, body=None, headers=()):
        nonlocal sent
        sent += 1
        request = urllib.request.Request(
            door.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {door.token}",
                "content-type": "application/scim+json",
                **dict(headers),
            },
        )
        try:
            with urllib.request.urlopen(request, context=context) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return json.loads(error.read() or b"{}")

    user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": USER_NAME}
    made = ask(
        "POST",
        "/Users",
        user,
        [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "vendor=x")],
    )
    where = f"/Users/{made['id']}"
    ask("GET", where)
    ask("GET", f"/Users?filter=userName%20eq%20%22{USER_NAME}%22")
    ask("PUT", where, user | {"displayName": "x"})
    change = {"op": "replace", "path": "displayName", "value": "y"}
    patch = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [change],
    }
    ask("PATCH", where, patch)
    ask("GET", "/Users?filter=nonsense")
    ask("GET", "/nowhere/at/all")
    ask("GET", "/Schemas")
    ask("BREW", where)
    ask("DELETE", where)
    ask("DELETE", where)
    return sent


def judge(messages, sent, results):
    spans = []
    for content_type, body in messages:
        results.hold("content type", content_type == "application/json", content_type)
        results.hold("no user data", USER_NAME.encode() not in body)
        message = parse(body, results)
        if message is None:
            continue
        for resource_spans in message.resource_spans:
            known = {attribute.key for attribute in resource_spans.resource.attributes}
            results.hold("the service is named", "service.name" in known, known)
            judge_names(known, results)
            for scope_spans in resource_spans.scope_spans:
                results.hold("scope", scope_spans.scope.name == "postern", scope_spans.scope)
                spans += scope_spans.spans
    servers_ = [span for span in spans if span.kind == trace_pb2.Span.SPAN_KIND_SERVER]
    calls = [span for span in spans if span.kind == trace_pb2.Span.SPAN_KIND_CLIENT]
    results.hold("one span for each request", len(servers_) == sent, (len(servers_), sent))
    results.hold("calls have spans", len(calls) >= 6, len(calls))
    results.hold("no other kind", len(servers_) + len(calls) == len(spans))
    parents = {(span.trace_id, span.span_id) for span in servers_}
    for span in spans:
        judge_span(span, results)
    for span in calls:
        results.hold(
            "a call is a child", (span.trace_id, span.parent_span_id) in parents, span.name
        )
    ids = {span.span_id for span in spans}
    results.hold("ids differ", len(ids) == len(spans))
    ours = [span for span in servers_ if span.trace_id.hex() == TRACE]
    results.hold(
        "the client's trace goes on",
        [(span.parent_span_id.hex(), span.trace_state) for span in ours] == [(PARENT, "vendor=x")],
        ours,
    )


def judge_span(span, results):
    results.hold("trace id", len(span.trace_id) == 16 and any(span.trace_id), span)
    results.hold("span id", len(span.span_id) == 8 and any(span.span_id), span)
    results.hold("times", 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span)
    results.hold("sampled", span.flags & 1 == 1, span.flags)
    results.hold("name", 0 < len(span.name) < 64, span.name)
    judge_names({attribute.key for attribute in span.attributes}, results)


def judge_names(names, results):
    """Every attribute is one that somebody has defined."""
    unknown = names - known_names()
    results.hold("attributes are known", not unknown, unknown)


def known_names():
    modules = [
        client_attributes,
        error_attributes,
        http_attributes,
        network_attributes,
        server_attributes,
        service_attributes,
        url_attributes,
    ]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    return found | OURS | INCUBATING


def parse(body, results):
    """A message by protobuf's own reading of JSON, but for ids, which OTLP has in hexadecimal."""
    try:
        message = json.loads(body)
        for resource_spans in message["resourceSpans"]:
            for scope_spans in resource_spans["scopeSpans"]:
                for span in scope_spans["spans"]:
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in span:
                            raw = bytes.fromhex(span[name])
                            span[name] = base64.b64encode(raw).decode()
        parsed = json_format.ParseDict(message, service.ExportTraceServiceRequest())
    except (ValueError, KeyError, json_format.ParseError) as error:
        results.hold("the message fits the schema", False, error)
        return None
    results.hold("the message fits the schema", True)
    return parsed


if __name__ == "__main__":
    sys.exit(main())
