"""`python -m services.gateway.broker`."""

import os
import sys

import uvloop

from infra.runtime import telemetry
from infra.runtime.settings import Misconfigured, read
from services.gateway.broker_main import main
from services.gateway.settings import BrokerProcessSettings

try:
    settings = read(BrokerProcessSettings, os.environ)
    telemetry.configure(
        "broker", level=settings.log_level, otlp_endpoint=settings.otel_exporter_otlp_endpoint
    )
    uvloop.run(main(settings))
except Misconfigured as error:
    sys.exit(f"broker: {error}")
