"""Requests to the rehearsal model, as plain JSON, and the pieces they are made of."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.kit.run.rehearsal_model import KEY, TOOLS, RehearsalModel, running_model

VERSION = "2026-10-21"
HEADERS = {"authorization": f"Bearer {KEY}", "anthropic-version": VERSION}
SMALL_LOAD = "rehearse 3 tool calls"


def ask(**changes: Any) -> dict[str, Any]:
    """A request that is answered; a change to None leaves the field out."""
    body = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": TOOLS,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def post(model: RehearsalModel, body: Any, **headers: str | None) -> httpx.Response:
    sent = {k: v for k, v in {**HEADERS, **headers}.items() if v is not None}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{model.url}/v1/messages", content=content, headers=sent, timeout=30)


def use(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "bash", "input": {"command": "ls"}, **fields}


def result(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": name, "content": "x", **fields}


def history(*contents: Any) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": c} for i, c in enumerate(contents)]


EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def text(words: str = "x", **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


@pytest.fixture(scope="module")
def shared_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsalModel]:
    """One model for the tests that neither order faults nor read the ledger."""
    with running_model(tmp_path_factory.mktemp("model")) as running:
        yield running
