"""Readiness beside the metrics, for a service that has no HTTP server of its own.

A service is ready while the last use of each server that it needs found it available; the gauges
of its metrics say so already.
"""

from collections.abc import Iterable, Mapping
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from prometheus_client import REGISTRY, make_wsgi_app

READY_PATH: Final = "/health/ready"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    """Handler that logs no requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has
        """Log nothing."""


def with_readiness(metrics: WSGIApplication, gauges: Mapping[str, str]) -> WSGIApplication:
    """Return an application that answers /health/ready, and leaves the rest to `metrics`.

    `gauges` names each server that is needed, and the gauge that is 1 while it is available.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != READY_PATH:
            return metrics(environ, start_response)
        found = {server: REGISTRY.get_sample_value(gauge) == 1 for server, gauge in gauges.items()}
        is_ready = all(found.values())
        parts = {server: "ok" if is_there else "unavailable" for server, is_there in found.items()}
        start_response(
            "200 OK" if is_ready else "503 Service Unavailable",
            [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
        )
        return [
            msgspec.json.encode({"status": "ok" if is_ready else "unavailable", "parts": parts})
        ]

    return application


def serve(port: int, host: str, gauges: Mapping[str, str]) -> None:
    """Serve metrics and readiness in a thread, for as long as the process lives."""
    application = with_readiness(make_wsgi_app(), gauges)
    server = make_server(host, port, application, _Server, handler_class=_QuietHandler)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
