"""`python -m services.scheduler`."""

import asyncio
import os
import sys

from infra.event_log import Unavailable
from infra.settings import Misconfigured, read
from infra.telemetry import configure
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
