"""`python -m services.projector`."""

import os
import sys

import uvloop

from infra.runtime import telemetry
from infra.runtime.settings import Misconfigured, read
from services.projector.main import main
from services.projector.settings import Settings

try:
    settings = read(Settings, os.environ)
except Misconfigured as error:
    sys.exit(f"projector: {error}")
telemetry.configure(
    "projector", level=settings.log_level, otlp_endpoint=settings.otel_exporter_otlp_endpoint
)
uvloop.run(main(settings))
