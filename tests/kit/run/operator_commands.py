"""The operator's commands as they are typed, in a process of their own."""

import asyncio
import os
import sys
from base64 import b64encode
from pathlib import Path

from tests.kit.paths import ROOT
from tests.kit.servers.stack import RealServers


def operator_environment(servers: RealServers, folder: Path) -> dict[str, str]:
    """The environment by which a command finds these servers; its key file is in the folder."""
    key_file = folder / "archive.key"
    if not key_file.exists():
        key_file.write_text(b64encode(os.urandom(32)).decode())
    return {
        "NATS_URL": servers.nats_url,
        "NATS_CREDENTIALS": str(servers.credentials("operator")),
        **servers.event_key_settings,
        "POSTGRES_URL": servers.service_postgres_url,
        "REDIS_URL": servers.redis_url,
        "S3_ENDPOINT_URL": servers.s3.endpoint,
        "S3_REGION": servers.s3.region,
        "S3_BUCKET": servers.s3.bucket,
        "S3_ACCESS_KEY_ID": servers.s3.key,
        "S3_SECRET_ACCESS_KEY": servers.s3.secret,
        "ARCHIVE_KEY_FILE": str(key_file),
    }


async def operate(
    environment: dict[str, str], folder: Path, *words: str, code: int | None = 0
) -> str:
    """Run `errand` with these words; return what it said. `code` None: whichever."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "clients.cli",
        *words,
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "COLUMNS": "200",
            **environment,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(90):
        output, _ = await child.communicate()
    said = output.decode()
    assert "Traceback" not in said, said
    assert code is None or child.returncode == code, said
    return said
