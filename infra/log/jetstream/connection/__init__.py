"""Connection to the NATS servers: client, API calls, live messages.

nats-py imports aiohttp for servers behind a WebSocket. Errand connects over TCP alone, and aiohttp
takes a quarter of the start of every service that does not need it for something else: it reads
all certificates of the system, twice. So nats-py is imported here, before anything else can, as
where aiohttp is not installed.
"""

import sys
from importlib import import_module
from typing import Final

_UNUSED: Final = "aiohttp"


def _import_without(unused: str, module: str) -> None:
    """Import `module` as if `unused` were not installed, unless it has been imported already."""
    if unused in sys.modules:
        return
    sys.modules[unused] = None  # type: ignore[assignment]
    try:
        import_module(module)
    finally:
        del sys.modules[unused]


_import_without(_UNUSED, "nats.aio.transport")
