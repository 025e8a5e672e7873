"""Entry point of `python -m services.worker`."""

import asyncio
import sys
from collections.abc import Mapping

from infra.log.event_log import Refused, Unavailable
from infra.runtime import telemetry
from infra.runtime.settings import Misconfigured, read
from services.worker.agent.failures.outage import Unreachable
from services.worker.agent.text.redaction import Redactor, secrets_in
from services.worker.effects.attempt_end import AttemptOver
from services.worker.effects.broker_client import ClaimRefused
from services.worker.main import main
from services.worker.settings import Settings


def run(environment: Mapping[str, str]) -> None:
    """Work until nothing more is due for this attempt; say why and exit when it cannot begin."""
    try:
        settings = read(Settings, environment)
    except Misconfigured as error:
        sys.exit(f"worker: {error}")
    redactor = Redactor(secrets_in(environment))
    telemetry.configure(
        "worker",
        level=settings.log_level,
        otlp_endpoint=settings.otel_exporter_otlp_endpoint,
        redact=redactor.text,
    )
    reason: BaseException | None = None  # told after `except*`: see tests/architecture
    try:
        asyncio.run(main(settings, redactor))
    except* (AttemptOver, ClaimRefused, Refused, Unreachable, Unavailable) as errors:
        reason = _first(errors)
    if reason is not None:
        sys.exit(redactor.text(f"worker: {reason}"))


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
