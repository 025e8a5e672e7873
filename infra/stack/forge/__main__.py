"""`python -m infra.stack.forge`: prints one line of JSON with its address, then serves."""

import asyncio
import json
import os
import sys

from infra.clock import utc_now
from infra.settings import Misconfigured, read
from infra.stack.forge.server import main
from infra.stack.forge.settings import Settings

if __name__ == "__main__":
    try:
        settings = read(Settings, os.environ)
    except Misconfigured as error:
        sys.exit(f"forge: {error}")
    asyncio.run(main(settings, utc_now, lambda url: print(json.dumps({"url": url}), flush=True)))
