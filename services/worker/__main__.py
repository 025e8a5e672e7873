"""`python -m services.worker`: exit 0 when nothing more is due for this attempt."""

import os
import sys
from importlib import import_module

# Extras of nats-py (WebSocket), httpx (its command) and structlog (its console), loaded where they
# are installed: 0.2 s of a start, for nothing that a worker uses.
_SPARED = ("aiohttp", "click", "rich")

sys.modules.update(dict.fromkeys(_SPARED))  # type: ignore[arg-type]  # None: as if not installed
import_module("services.worker.entry").run(os.environ)
