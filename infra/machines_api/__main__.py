"""`python -m infra.machines_api`: the local Machines API."""

import asyncio
import os
import sys

from infra.machines_api.main import main
from infra.machines_api.settings import Settings
from infra.runtime.settings import Misconfigured, read
from infra.runtime.telemetry import configure

try:
    settings = read(Settings, os.environ)
    configure("machines", level=settings.log_level)
    asyncio.run(main(settings))
except (Misconfigured, OSError) as error:
    sys.exit(f"The local Machines API cannot start: {error}")
