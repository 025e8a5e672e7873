"""`python -m infra.simulators.github`: prints one line of JSON with its address, then serves."""

import asyncio
import json
import os
import sys

from infra.runtime.clock import utc_now
from infra.runtime.settings import Misconfigured, read
from infra.simulators.github.server import main
from infra.simulators.github.settings import Settings

if __name__ == "__main__":
    try:
        settings = read(Settings, os.environ)
    except Misconfigured as error:
        sys.exit(f"forge: {error}")
    asyncio.run(main(settings, utc_now, lambda url: print(json.dumps({"url": url}), flush=True)))
