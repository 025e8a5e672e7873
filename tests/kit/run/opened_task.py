"""A long task, and a phone that opens it as docs/reference/protocol.md says."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
import psutil
from websockets.asyncio.client import connect as connect_stream

from events import History, PlanItem, PlanUpdated, Recorded
from events.codec import decode
from infra.log.jetstream import JetStreamLog
from infra.runtime.clock import DraftFactory, utc_now

PAGE_EVENTS = 500


async def grow(log: JetStreamLog[Any], history: History, count: int) -> None:
    """Append events of the size that most have, until the history has so many."""
    draft_factory = DraftFactory(utc_now)
    head = await log.head(history)
    while head.version < count:
        some = min(500, count - head.version)
        facts = [PlanUpdated(items=(PlanItem("x" * 300, "active"),))] * some
        head = await log.append(history, draft_factory.drafts(facts, by="worker:1"), after=head)


async def open_task(http: httpx.AsyncClient, token: str, task: str, length: int) -> list[int]:
    """Open a task as a phone does; return the versions it got, in order."""
    got: list[int] = []
    url = str(http.base_url).replace("http", "ws", 1).rstrip("/") + "/v1/stream"
    async with connect_stream(url, max_size=None, proxy=None) as socket:
        hello = {"t": "hello", "v": 1, "token": token, "device": {"id": "phone"}}
        await socket.send(json.dumps(hello))
        await socket.send(json.dumps({"t": "sub", "task": task, "version": 0}))
        while not got or got[-1] < length:
            for item in json.loads(await asyncio.wait_for(socket.recv(), 30)):
                match item.get("t"):
                    case None:
                        got.append(item["version"])
                    case "ping":
                        await socket.send('{"t":"pong"}')
                    case "behind":
                        got += await _fetch_pages(http, item)
                        await socket.send(
                            json.dumps({"t": "sub", "task": task, "version": got[-1]})
                        )
    return got


async def _fetch_pages(http: httpx.AsyncClient, behind: dict[str, Any]) -> list[int]:
    """Fetch what was too much for the stream; return its versions."""
    got: list[int] = []
    last = behind["after"]
    path = behind["url"].partition("?")[0]
    while last < behind["head"]:
        page = await http.get(path, params={"after": last, "limit": PAGE_EVENTS})
        got += [event["version"] for event in page.raise_for_status().json()["data"]]
        last = got[-1]
    return got


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds a process has used since it started."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def at_rest(process: psutil.Process) -> None:
    """Wait until the process has nothing to do."""
    last = -1.0
    while cpu_seconds(process) - last > 0.02:
        last = cpu_seconds(process)
        await asyncio.sleep(0.5)


def decoding_seconds(history: History, events: Sequence[Recorded]) -> float:
    """Return the seconds this process needs to decode these events once: the machine's measure."""
    before = time.process_time()
    for recorded in events:
        decode(history, recorded.sequence, recorded.body)
    return time.process_time() - before
