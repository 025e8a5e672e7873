"""Telemetry of a service: JSON log lines, spans, metrics.

Log lines go to standard error, one JSON object per line, with the ids bound in structlog's
contextvars (task, attempt, request) and the current trace. Spans leave by OTLP/HTTP when an
endpoint is set (OTEL_EXPORTER_OTLP_ENDPOINT) and travel between services as `traceparent` in
message headers.
"""

import logging
import os
import select
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, suppress
from types import MappingProxyType
from typing import Any, Final, TextIO, cast

import structlog
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import start_http_server
from structlog.tracebacks import ExceptionDictTransformer

from infra.runtime import readiness

_PIPE_PATIENCE_MS: Final = 250


def configure(
    service: str,
    *,
    level: str = "INFO",
    otlp_endpoint: str = "",
    redact: Callable[[str], str] | None = None,
) -> None:
    """Set up logging and tracing for this process. Call once, first thing in `__main__`.

    `level` is a name of the logging module; `otlp_endpoint` is the collector's base URL, empty for
    none. `redact` takes secrets out of each line. Raises ValueError on an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"LOG_LEVEL {level!r} is none of DEBUG, INFO, WARNING, ERROR")
    stream = cast("TextIO", LossyStream(sys.stderr, redact))
    logging.raiseExceptions = False  # nor may a line of a library's that cannot be written
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            structlog.processors.ExceptionRenderer(
                ExceptionDictTransformer(show_locals=False)  # locals may hold secrets
            ),
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(
        level=max(number, logging.WARNING), stream=stream, format="%(name)s: %(message)s"
    )
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if otlp_endpoint:
        # Loaded where it is wanted: it takes as long as a third of the rest of a service.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )

        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


class LossyStream:
    """Text stream that drops what cannot be written.

    A log line is worth less than the service that writes it, so neither a full disk nor a closed
    pipe raises, and a pipe that nobody empties is waited for once, and then for no line until it
    takes one again. A line is written when it is whole. What was dropped is not tried again at the
    end of the process, where Python would make it the exit code.
    """

    def __init__(self, stream: TextIO | None, redact: Callable[[str], str] | None = None) -> None:
        self._stream = stream
        self._redact = redact
        self._line = ""
        self._is_torn = False
        self._patience_ms = _PIPE_PATIENCE_MS
        self._descriptor: int | None = None
        with suppress(OSError):  # a stream in memory has none
            self._descriptor = stream.fileno() if stream is not None else None

    @property
    def is_full(self) -> bool:
        """True when the last line was dropped, or cut, as its pipe was full."""
        return self._patience_ms == 0

    def write(self, text: str) -> int:
        """Take a line or a part of one; write all of it, or as much as can be written."""
        self._line += text
        if self._line.endswith("\n"):
            line, self._line = self._line, ""
            with suppress(OSError, ValueError):  # ValueError: it is closed
                self._put(self._redact(line) if self._redact else line)
        return len(text)

    def flush(self) -> None:
        """Do nothing: a whole line is written already."""

    def _put(self, line: str) -> None:
        if self._descriptor is None:
            if self._stream is not None:
                self._stream.write(line)
            return
        left = (b"\n" if self._is_torn else b"") + line.encode(errors="backslashreplace")
        whole = len(left)
        while left and self._is_writable(self._descriptor):
            left = left[os.write(self._descriptor, left[: select.PIPE_BUF]) :]
        self._is_torn = 0 < len(left) < whole or (self._is_torn and len(left) == whole)

    def _is_writable(self, descriptor: int) -> bool:
        """Wait a moment for a pipe that is full; what is no pipe is always writable."""
        ready = select.poll()
        ready.register(descriptor, select.POLLOUT)
        is_writable = bool(ready.poll(self._patience_ms))
        self._patience_ms = _PIPE_PATIENCE_MS if is_writable else 0
        return is_writable


def logger(name: str) -> "structlog.stdlib.BoundLogger":
    """Give the logger of one module. Log a short message and the facts as keywords."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(module=name)
    return bound


def span(name: str, **attributes: str | float | bool) -> AbstractContextManager[trace.Span]:
    """Open a span as the current one, for use in a `with` statement."""
    return trace.get_tracer("errand").start_as_current_span(name, attributes=attributes)


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current trace into message headers (W3C Trace Context)."""
    propagate.inject(headers)


def span_from(
    headers: Mapping[str, str], name: str, **attributes: str | float | bool
) -> AbstractContextManager[trace.Span]:
    """Open a span that continues the trace in message headers, if there is one."""
    return trace.get_tracer("errand").start_as_current_span(
        name, context=propagate.extract(headers), attributes=attributes
    )


def serve_metrics(
    port: int, host: str = "127.0.0.1", *, needed: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Serve Prometheus metrics at /metrics on a private port; port 0 serves none.

    With `needed`, servers with the gauge that is 1 while each is available, /health/ready answers
    too (see infra.runtime.readiness).
    """
    if port and needed:
        readiness.serve(port, host, needed)
    elif port:
        start_http_server(port, addr=host)


def _add_trace(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace"] = f"{context.trace_id:032x}"
    return line
