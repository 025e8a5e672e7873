"""Health checks: each speaks its server's own protocol and asks for something it must know.

Every probe returns when the answer is right, and raises `Unhealthy` or `OSError` when it is not.
"""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

import asyncpg
import httpx
import msgspec
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.local.keys import Storage
from infra.local.process.child import Unhealthy
from infra.log import nats_users

_HTTP_SECONDS = 3.0
_NO_BODY = sha256(b"").hexdigest()
_JETSTREAM = b"SUB _INBOX.health 1\r\nPUB $JS.API.INFO _INBOX.health 0\r\n\r\n"


async def nats(port: int, credentials: str) -> None:
    """Sign in with the credentials text and have JetStream answer for its account.

    Specification: NATS client protocol; https://docs.nats.io/reference/reference-protocols.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        greeting = await reader.readline()
        if not greeting.startswith(b"INFO "):
            raise Unhealthy(f"expected NATS, got {greeting[:40]!r}")
        nonce = str(msgspec.json.decode(greeting[5:]).get("nonce", ""))
        user = nats_users.read_credentials(credentials)
        signature = urlsafe_b64encode(nats_users.sign(user.seed, nonce.encode())).rstrip(b"=")
        claim = {"verbose": False, "pedantic": False, "jwt": user.token, "sig": signature.decode()}
        writer.write(b"CONNECT " + msgspec.json.encode(claim) + b"\r\n" + _JETSTREAM)
        while line := await reader.readline():
            if line.startswith(b"-ERR"):
                raise Unhealthy(line.decode().strip())
            if line.startswith(b"MSG "):
                answer = msgspec.json.decode(await reader.readline())
                if "error" in answer:
                    raise Unhealthy(str(answer["error"]))
                return
        raise Unhealthy("NATS hung up")
    finally:
        writer.close()


async def postgres(url: str) -> None:
    """Run a query."""
    try:
        connection = await asyncpg.connect(url, timeout=_HTTP_SECONDS)
        try:
            await connection.execute("SELECT 1")
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unhealthy(str(error)) from None


async def redis(url: str) -> None:
    """Ping."""
    client = Redis.from_url(url)
    try:
        await client.ping()
    except RedisError as error:
        raise Unhealthy(str(error)) from None
    finally:
        await client.aclose()


async def storage(offered: Storage) -> None:
    """Ask for the bucket, signed as every client signs."""
    url = f"{offered.endpoint}/{offered.bucket}"
    request = AWSRequest("HEAD", url, headers={"x-amz-content-sha256": _NO_BODY})
    S3SigV4Auth(Credentials(offered.key, offered.secret), "s3", offered.region).add_auth(request)
    response = await _ask("HEAD", url, dict(request.headers.items()))
    if response.status_code != httpx.codes.OK:
        raise Unhealthy(f"S3 answers {response.status_code} for its bucket")


async def http(url: str) -> None:
    """Expect 200."""
    response = await _ask("GET", url, {})
    if response.status_code != httpx.codes.OK:
        raise Unhealthy(f"{url} answers {response.status_code}: {response.text[:200]}")


async def _ask(method: str, url: str, headers: Mapping[str, str]) -> httpx.Response:
    try:
        async with httpx.AsyncClient(timeout=_HTTP_SECONDS, trust_env=False) as client:
            return await client.request(method, url, headers=headers)
    except httpx.HTTPError as error:
        raise Unhealthy(f"{url}: {error!r}") from None
