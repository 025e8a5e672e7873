"""`python -m infra.log.jetstream`: create or update the streams.

Reads NATS_URL, NATS_CREDENTIALS (the operator's) and REPLICAS from the environment.
"""

import asyncio
import os

import msgspec

from infra.log.jetstream.admin.streams import provision
from infra.runtime.settings import read


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once and passed down."""

    nats_url: str
    nats_credentials: str = ""
    replicas: int = 1
    """Copies of each stream that the cluster keeps."""


if __name__ == "__main__":
    settings = read(Settings, os.environ)
    asyncio.run(provision(settings.nats_url, settings.nats_credentials, replicas=settings.replicas))
    print("Streams EVENTS and DEADLETTERS are as they should be.")
