"""`python -m services.scheduler`."""

import asyncio
import os
import sys

from infra.log.event_log import Unavailable
from infra.runtime.settings import Misconfigured, read
from infra.runtime.telemetry import configure
from services.scheduler.main import main
from services.scheduler.settings import Settings

try:
    settings = read(Settings, os.environ)
    configure(
        "scheduler",
        level=settings.log_level,
        otlp_endpoint=settings.otel_exporter_otlp_endpoint,
    )
    asyncio.run(main(settings))
except (Misconfigured, Unavailable) as error:
    sys.exit(f"The scheduler cannot run: {error}")
