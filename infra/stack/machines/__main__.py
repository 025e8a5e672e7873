"""`python -m infra.stack.machines`: the local Machines API."""

import asyncio
import os
import sys

from infra.settings import Misconfigured, read
from infra.stack.machines.main import main
from infra.stack.machines.settings import Settings
from infra.telemetry import configure

try:
    settings = read(Settings, os.environ)
    configure("machines", level=settings.log_level)
    asyncio.run(main(settings))
except (Misconfigured, OSError) as error:
    sys.exit(f"The local Machines API cannot start: {error}")
