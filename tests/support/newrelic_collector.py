"""A collector of New Relic's, as far as the agent's protocol needs one: it keeps what is sent."""

import gzip
import json
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

HARVEST_MS = 1_000
EVENTS = ("analytic_event_data", "custom_event_data", "error_event_data", "log_event_data")
ACCOUNT = {
    "agent_run_id": "1",
    "account_id": "1",
    "primary_application_id": "2",
    "trusted_account_key": "1",
    "entity_guid": "entity",
    "apdex_t": 0.5,
    "collect_traces": True,
    "collect_errors": True,
    "collect_span_events": True,
    "collect_analytics_events": True,
    "collect_error_events": True,
    "data_report_period": 1,
    # Every transaction of a test is kept.
    "sampling_target": 1_000,
    "sampling_target_period_in_seconds": 1,
    "event_harvest_config": {
        "report_period_ms": HARVEST_MS,
        "harvest_limits": dict.fromkeys(EVENTS, 10_000),
    },
    "span_event_harvest_config": {"report_period_ms": HARVEST_MS, "harvest_limit": 10_000},
}


class Collector:
    """What agents sent so far, by method, and whole."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.environment = {
            "NEW_RELIC_LICENSE_KEY": "0123456789012345678901234567890123456789",
            "NEW_RELIC_HOST": "127.0.0.1",
            "NEW_RELIC_PORT": str(port),
            "NEW_RELIC_CA_BUNDLE_PATH": str(certificate),
        }
        self.texts: list[str] = []
        self._payloads: list[tuple[str, Any]] = []

    def receive(self, method: str, text: str) -> object:
        """Keep a payload and return the answer."""
        self.texts.append(text)
        self._payloads.append((method, json.loads(text)))
        if method == "preconnect":
            return {"redirect_host": "127.0.0.1"}
        return ACCOUNT if method == "connect" else []

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self._payloads)

    def list_events(self, method: str) -> list[dict[str, Any]]:
        """Return each event with all its attributes, of whatever kind."""
        return [
            {name: value for part in event for name, value in part.items()}
            for name, payload in list(self._payloads)
            if name == method
            for event in payload[2]
        ]

    def list_transactions(self, name: str) -> list[dict[str, Any]]:
        events = self.list_events("analytic_event_data")
        return [event for event in events if event["name"] == name]

    def list_spans(self, trace_id: str) -> list[dict[str, Any]]:
        return [
            event for event in self.list_events("span_event_data") if event["traceId"] == trace_id
        ]

    def list_logs(self) -> list[dict[str, Any]]:
        return [
            log
            for name, payload in list(self._payloads)
            if name == "log_event_data"
            for part in payload
            for log in part["logs"]
        ]

    def list_metrics(self) -> dict[str, list[float]]:
        """Return each metric that was sent, with its last values."""
        return {
            metric[0]["name"]: metric[1]
            for name, payload in list(self._payloads)
            if name == "metric_data"
            for metric in payload[3]
        }


@contextmanager
def run_collector(folder: Path) -> Iterator[Collector]:
    """Collect over TLS until the end of the block."""
    authority = trustme.CA()
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            (method,) = parse_qs(urlsplit(self.path).query)["method"]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding", "identity")
            if encoding == "gzip":
                body = gzip.decompress(body)
            elif encoding == "deflate":
                body = zlib.decompress(body)
            answer = collector.receive(method, body.decode())
            encoded = json.dumps({"return_value": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        collector = Collector(server.server_port, certificate)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
