"""A worker that was taken over: the real credentials of an attempt, and raw bytes on its subject.

What it claims, it claims over HTTP before the machine's own worker does, with the code that the
machine was given. What it finds is judged without the services' code: raw NATS, raw SQL, raw HTTP.
"""

import base64
import hmac
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import httpx
from nats.aio.client import Client

from events.protocol.readers import reader_name
from infra.log.nats_permissions import WorkerGrant
from tests.kit.laws.nats_rights import Refusals, signed_in
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import Phone
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.stack import RealStack


@dataclass(frozen=True)
class Message:
    """A message as it stands on a task's subject."""

    sequence: int
    headers: bytes
    body: bytes

    @property
    def fact(self) -> dict[str, Any]:
        """The body as JSON; empty when it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


async def raw(stack: RealStack, subject: str) -> list[Message]:
    """All messages of a subject, by STREAM.MSG.GET, one by one."""
    found, after = [], 0
    async with as_admin(stack) as admin:
        while True:
            question = json.dumps({"seq": after + 1, "next_by_subj": subject}).encode()
            name = "$JS.API.STREAM.MSG.GET.EVENTS"
            answer = json.loads((await admin.client.request(name, question, timeout=10)).data)
            if "message" not in answer:
                return found
            message = answer["message"]
            after = message["seq"]
            headers = base64.b64decode(message.get("hdrs", ""))
            found.append(Message(after, headers, base64.b64decode(message.get("data", ""))))


def is_genuine(stack: RealStack, subject: str, message: Message) -> bool:
    """Judge a MAC by the letter of ADR 10, with the standard library alone."""
    keys = {tuple(word.split(":")[:2]): word.split(":")[2] for word in _keys(stack).split()}
    lines = [line for line in message.headers.decode().split("\r\n") if line.startswith("Errand-M")]
    if len(lines) != 1:
        return False
    parts = lines[0].partition(": ")[2].split(".")
    if len(parts) != 4 or not parts[3].isascii() or len(parts[3]) != 43:
        return False
    _, writer, key_id, mac = parts
    secret = base64.urlsafe_b64decode(keys[writer, key_id] + "=")
    said = f"errand event 1\n{writer}\n{key_id}\n{subject}\n{message.fact['version']}\n".encode()
    wanted = hmac.digest(secret, said + sha256(message.body).digest(), "sha256")
    return base64.urlsafe_b64decode(mac + "=") == wanted


def _keys(stack: RealStack) -> str:
    return stack.servers.keys.event_keys


class Attacker:
    """One attempt's credentials in the wrong hands."""

    def __init__(self, stack: RealStack, client: Client, task: dict[str, Any], token: str) -> None:
        self.stack = stack
        self.client = client
        self.task = task["id"]
        self.account = task["account"]
        self.subject = f"events.{self.account}.{self.task}"
        self.token = token

    def fact(self, tag: str, version: int, **fields: Any) -> bytes:
        """An event as its genuine writer would have it."""
        return json.dumps(
            {
                "id": f"evt_{os.urandom(12).hex()}",
                "task": self.task,
                "version": version,
                "at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                "by": "person:per_x",
                "cause": "",
                "type": tag,
                **fields,
            },
            separators=(",", ":"),
        ).encode()

    async def say(self, body: bytes, headers: str = "") -> None:
        """Store a message on the own subject, with a raw block of header lines."""
        answers = self.client.new_inbox()
        waiting = await self.client.subscribe(answers, max_msgs=1)
        block = f"NATS/1.0\r\n{headers}\r\n".encode()
        size = f"{len(block)} {len(block) + len(body)}"
        command = f"HPUB {self.subject} {answers} {size}\r\n".encode()
        await self.client._send_command(command + block + body + b"\r\n")
        await self.client._flush_pending()
        answer = json.loads((await waiting.next_msg(timeout=10)).data)
        assert "error" not in answer, answer

    async def next_version(self) -> int:
        """The version after the last that stands there."""
        return max(message.fact.get("version", 0) for message in await self.raw()) + 1

    async def raw(self) -> list[Message]:
        return await raw(self.stack, self.subject)

    async def forge(self, tag: str, headers: str = "", **fields: Any) -> None:
        """Store an event of another writer as the history's next."""
        await self.say(self.fact(tag, await self.next_version(), **fields), headers)

    async def broker(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask the broker with the attempt's own token."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        url = self.stack.broker_url
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
            return await client.request(method, f"/broker/{path}", headers=headers, **more)


@asynccontextmanager
async def taken_over(
    stack: RealStack, phone: Phone, url: str, prompt: str = "Fix it", **more: Any
) -> AsyncIterator[Attacker]:
    """Submit a task and claim its first attempt in the machine's place."""
    task = await phone.submit(prompt, url, **more)
    subject = f"events.{task['account']}.{task['id']}"
    await eventually(
        lambda: raw(stack, subject),
        until=lambda found: any(m.fact.get("type") == "machine.requested" for m in found),
        every_seconds=0.02,
    )
    said = f"{task['id']}/1".encode()
    secret = stack.servers.keys.claim_secret.encode()
    code = base64.b32encode(hmac.digest(secret, said, "sha256")).decode().lower()[:40]
    claim = {"task": task["id"], "account": task["account"], "attempt": 1, "code": code}
    async with httpx.AsyncClient(base_url=stack.broker_url, trust_env=False) as client:
        answer = await client.post("/broker/claim", json={**claim, "machine": "evil"})
    assert answer.status_code == 200, answer.text
    claimed = answer.json()
    credentials = claimed["nats"]["credentials"]
    async with signed_in(claimed["nats"]["url"], credentials, Refusals()) as nats:
        yield Attacker(stack, nats, task, claimed["token"])


@asynccontextmanager
async def beside(stack: RealStack, task: Mapping[str, Any]) -> AsyncIterator[Attacker]:
    """The NATS rights of a task's first attempt, beside the honest worker that has them too."""
    grant = WorkerGrant(task["account"], task["id"], reader_name(task["id"], 1))
    expires = datetime.now(UTC) + timedelta(hours=1)
    credentials = stack.worker_credentials(grant, expires=expires)
    async with signed_in(stack.nats_url, credentials, Refusals()) as nats:
        yield Attacker(stack, nats, dict(task), "")


async def rows(stack: RealStack, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask the stack's database."""
    connection = await asyncpg.connect(stack.postgres_url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


async def machines(stack: RealStack) -> list[dict[str, Any]]:
    """All machines the Machines API has, as it tells of them."""
    url = f"http://127.0.0.1:{stack.servers.ports['machines']}/v1/apps/errand-workers/machines"
    headers = {"Authorization": f"Bearer {stack.servers.keys.machines_token}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url, headers=headers, params={"include_deleted": "true"})
    return answer.raise_for_status().json()
