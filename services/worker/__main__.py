"""`python -m services.worker`: exit 0 when nothing more is due for this attempt."""

import asyncio
import os
import sys

from infra import telemetry
from infra.event_log import Unavailable
from infra.settings import Misconfigured, read
from services.worker.broker import ClaimRefused
from services.worker.main import main
from services.worker.ports import GatewayUnreachable
from services.worker.settings import Settings

try:
    settings = read(Settings, os.environ)
except Misconfigured as error:
    sys.exit(f"worker: {error}")
telemetry.configure(
    "worker", level=settings.log_level, otlp_endpoint=settings.otel_exporter_otlp_endpoint
)
try:
    asyncio.run(main(settings))
except (ClaimRefused, GatewayUnreachable, Unavailable) as error:
    sys.exit(f"worker: {error}")
