"""`python -m services.gateway`."""

import os
import sys

import uvloop

from infra.runtime import telemetry
from infra.runtime.settings import Misconfigured, read
from services.gateway.main import main
from services.gateway.settings import Settings

try:
    settings = read(Settings, os.environ)
    telemetry.configure(
        "gateway", level=settings.log_level, otlp_endpoint=settings.otel_exporter_otlp_endpoint
    )
    uvloop.run(main(settings))
except Misconfigured as error:
    sys.exit(f"gateway: {error}")
