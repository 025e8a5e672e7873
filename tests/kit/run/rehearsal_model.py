"""The rehearsal model on a loopback port, and a small agent with real tools to speak to it with."""

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest

from infra.runtime.clock import Clock, utc_now
from infra.simulators.anthropic.main import Settings, server
from tests.kit.paths import ROOT

KEY = "sk-rehearsal-for-tests"
SAMPLES = ROOT / "infra" / "local" / "demo" / "samples"


@dataclass(frozen=True)
class RehearsalModel:
    """A running rehearsal model. `url` is what ANTHROPIC_BASE_URL would be."""

    url: str
    key: str = KEY

    def ledger(self, user_id: str | None = None) -> dict[str, Any]:
        """Return what it has billed, to one user or to all (its ledger.py)."""
        params = {} if user_id is None else {"user_id": user_id}
        return httpx.get(f"{self.url}/ledger", params=params, headers=self._headers()).json()

    def order(self, kind: str, **fields: object) -> None:
        """Order a fault for the next request (infra/simulators/anthropic/api/faults.py)."""
        answer = httpx.post(
            f"{self.url}/faults", json={"kind": kind, **fields}, headers=self._headers()
        )
        assert answer.status_code == 200, answer.text

    def clear_faults(self) -> None:
        httpx.delete(f"{self.url}/faults", headers=self._headers()).raise_for_status()

    def client(self, key: str | None = None) -> anthropic.AsyncAnthropic:
        """A client of the real SDK, without retries of its own; to be closed."""
        return anthropic.AsyncAnthropic(
            base_url=self.url, auth_token=key or self.key, max_retries=0
        )

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}


@contextmanager
def running_model(
    directory: Path, *, pace: float = 0.0, clock: Clock = utc_now, **settings: Any
) -> Iterator[RehearsalModel]:
    """Run a rehearsal model in a thread of its own until the block is left."""
    serving = server(
        Settings(
            port=0,
            directory=str(directory),
            model_api_key=KEY,
            pace=pace,
            **{"faults": True, **settings},
        ),
        clock=clock,
    )
    thread = threading.Thread(target=serving.run, name="rehearsal-model")
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not serving.started:
            assert thread.is_alive(), "the model ended before it served"
            assert time.monotonic() < deadline, "the model did not start in time"
            time.sleep(0.005)
        host, port = serving.servers[0].sockets[0].getsockname()
        yield RehearsalModel(f"http://{host}:{port}")
    finally:
        serving.should_exit = True
        thread.join(timeout=15)


@pytest.fixture
def rehearsal_model(tmp_path: Path) -> Iterator[RehearsalModel]:
    """A rehearsal model of this test's own, with an empty ledger, that takes orders of faults."""
    with running_model(tmp_path / "rehearsal-model") as running:
        yield running


@pytest.fixture
async def sdk(rehearsal_model: RehearsalModel) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """A client of the real SDK, closed after the test."""
    async with rehearsal_model.client() as client:
        yield client


def tool(name: str, **properties: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {k: {"type": v} for k, v in properties.items()}}
    return {"name": name, "description": f"{name} in the workspace", "input_schema": schema}


TOOLS = [
    tool("bash", command="string", timeout_seconds="number"),
    tool("read", path="string", start_line="integer", line_count="integer"),
    tool("write", path="string", content="string"),
    tool("edit", path="string", old="string", new="string", replace_all="boolean"),
    tool("glob", pattern="string", path="string"),
    tool("grep", pattern="string", path="string", glob="string"),
    tool("plan", items="array"),
    tool("ask", question="string", options="array"),
    tool("submit", summary="string", title="string", body="string"),
]


class ToolFailed(Exception):
    """The text the model receives for a call that failed."""


@dataclass
class Workspace:
    """A directory, and tools that really work in it. `answers` are what `ask` returns, in order."""

    root: Path
    answers: list[str] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of_sample(cls, name: str, root: Path) -> "Workspace":
        shutil.copytree(SAMPLES / name, root, ignore=shutil.ignore_patterns("__pycache__"))
        return cls(root)

    def text(self, path: str) -> str:
        return (self.root / path).read_text()

    def run(self, name: str, arguments: dict[str, Any]) -> str:
        """Run a tool; raises ToolFailed with what the model is to be told."""
        return getattr(self, f"_{name}")(**arguments)

    def _bash(self, command: str, timeout_seconds: float = 60) -> str:
        self.commands.append(command)
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_seconds,
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            check=False,
        )
        output = ended.stdout.decode()
        if ended.returncode:
            raise ToolFailed(f"{output}\nexit code: {ended.returncode}")
        return output

    def _read(self, path: str) -> str:
        file = self.root / path
        if not file.is_file():
            raise ToolFailed(f"{path}: no such file")
        lines = file.read_text().splitlines()
        return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, 1))

    def _write(self, path: str, content: str) -> str:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(content)
        return f"wrote {path}"

    def _edit(self, path: str, old: str, new: str) -> str:
        text = self.text(path)
        if text.count(old) != 1:
            raise ToolFailed(f"{path}: `old` is there {text.count(old)} times, not once")
        (self.root / path).write_text(text.replace(old, new))
        return f"edited {path}"

    def _glob(self, pattern: str) -> str:
        return "\n".join(sorted(str(p.relative_to(self.root)) for p in self.root.glob(pattern)))

    def _grep(self, pattern: str, glob: str = "*") -> str:
        found = [
            f"{path.relative_to(self.root)}:{number}:{line}"
            for path in sorted(self.root.rglob(glob))
            if path.is_file()
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if re.search(pattern, line)
        ]
        return "\n".join(found) or "no match"

    def _plan(self, items: list[dict[str, str]]) -> str:
        assert {item["state"] for item in items} <= {"pending", "active", "done"}
        return "noted"

    def _ask(self, **question: Any) -> str:
        self.questions.append(question)
        return self.answers.pop(0)

    def _submit(self, **submission: Any) -> str:
        self.submitted.append(submission)
        return "submitted"


@dataclass
class Agent:
    """The smallest agent: sends the history, runs the tools, until the model asks for none."""

    client: anthropic.AsyncAnthropic
    workspace: Workspace
    model: str = "claude-sonnet-5-5"
    user_id: str = "task_1"
    messages: list[dict[str, Any]] = field(default_factory=list)
    replies: list[anthropic.types.Message] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    before_results: Callable[[list[dict[str, Any]]], None] = lambda results: None

    async def turn(self) -> anthropic.types.Message:
        """Send the history and put the reply behind it."""
        async with self.client.messages.stream(
            model=self.model,
            max_tokens=32_000,
            messages=self.messages,
            tools=TOOLS,
            thinking={"type": "adaptive", "display": "summarized"},
            metadata={"user_id": self.user_id},
            cache_control={"type": "ephemeral"},
            system="You are the worker of a test.",
            **self.options,
        ) as stream:
            reply = await stream.get_final_message()
        self.replies.append(reply)
        content = [block.model_dump(exclude_none=True) for block in reply.content]
        self.messages.append({"role": "assistant", "content": content})
        return reply

    async def run(self, prompt: str, *, most_turns: int = 60) -> str:
        """Work until the model asks for no tool; return its last words."""
        self.messages.append({"role": "user", "content": prompt})
        for _ in range(most_turns):
            reply = await self.turn()
            if reply.stop_reason != "tool_use":
                return "".join(block.text for block in reply.content if block.type == "text")
            self.answer(reply)
        raise AssertionError(f"no end after {most_turns} turns")

    def answer(self, reply: anthropic.types.Message) -> None:
        """Run the calls of a reply and put their results behind it."""
        results = [self._result(b) for b in reply.content if b.type == "tool_use"]
        self.before_results(results)
        self.messages.append({"role": "user", "content": results})

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """All tool calls so far, without their ids."""
        return [
            (block.name, block.input)
            for reply in self.replies
            for block in reply.content
            if block.type == "tool_use"
        ]

    def _result(self, call: anthropic.types.ToolUseBlock) -> dict[str, Any]:
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id}
        try:
            return {**result, "content": self.workspace.run(call.name, dict(call.input))}
        except ToolFailed as failure:
            return {**result, "content": str(failure), "is_error": True}
