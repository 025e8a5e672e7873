"""The client in Python against the transcripts that every client of the stream is held to.

The same files are run by clients/web/test/model/protocol/scenarios.test.ts.
"""

import json
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from clients.cli.protocol.frame_codec import decode_frame
from clients.cli.protocol.reconnect_policy import StreamTimings, close_action, pause_seconds
from clients.cli.stream.command_sender import Acknowledged, CommandSender, Outcome, Rejected
from clients.cli.stream.items import CaughtUp, PositionLost, StreamItem, TaskNotFound
from clients.cli.stream.outbox import Outbox, command
from clients.cli.stream.subscriptions import Subscriptions
from events import History, Recorded, TaskArchived, TaskId
from events.protocol import frames
from events.protocol.problem import Problem
from tests.kit.build.any_event import HISTORY, recorded
from tests.kit.paths import ROOT

SCENARIOS = ROOT / "tests" / "clients" / "scenarios"
TASK = "task_a"


def load(name: str) -> Any:
    return json.loads((SCENARIOS / f"{name}.json").read_text())


def named(name: str) -> Any:
    return pytest.mark.parametrize("scenario", load(name), ids=lambda each: each["name"])


def event(version: int) -> Any:
    history = History(HISTORY.account, TaskId(TASK))
    return json.loads(recorded(TaskArchived(), version, history=history).body)


class Follower:
    """The subscriptions of a client that watches one task."""

    def __init__(self, version: int) -> None:
        self.subscriptions = Subscriptions({TASK: version}, StreamTimings())

    def step(self, step: dict[str, Any]) -> dict[str, Any]:
        """Take a step; return what it did, in the words of the transcripts."""
        was_pausing = self.subscriptions.due_at() is not None
        done = _of_items(self._take(step))
        if "connect" in step:
            (resumed,) = self.subscriptions.resume_from()
            done["resume"] = resumed.version
        for sub in self.subscriptions.outgoing:
            assert "sub" not in done, "a client asks once"
            done["sub"] = sub.version
        self.subscriptions.outgoing.clear()
        if not was_pausing and self.subscriptions.due_at() is not None:
            done["pause"] = True
        is_fetch = "page" in step or step.get("receive", {}).get("t") == "behind"
        behind = self.subscriptions.behind()
        if is_fetch and behind and "stalled" not in done:
            done["fetch"] = behind[1]
        return done

    def _take(self, step: dict[str, Any]) -> list[StreamItem] | None:
        match step:
            case {"receive": received}:
                return self._receive(received)
            case {"page": versions}:
                page = [msgspec.Raw(json.dumps(event(each)).encode()) for each in versions]
                return self.subscriptions.take_page(TASK, page)
            case {"pause_over": _}:
                self.subscriptions.subscribe_due(float("inf"))
            case {"connect": _}:
                self.subscriptions.begin()
        return []

    def _receive(self, received: dict[str, Any]) -> list[StreamItem]:
        frame = received if "t" in received else event(received["version"])
        (item,) = decode_frame(json.dumps([frame]))
        if isinstance(item, frames.Heads):
            self.subscriptions.take_heads(item.versions)
            return []
        return self.subscriptions.take(cast("Any", item), 0.0)


def _of_items(items: list[StreamItem] | None) -> dict[str, Any]:
    if items is None:
        return {"stalled": True}
    done: dict[str, Any] = {}
    for item in items:
        match item:
            case Recorded(version=version):
                done.setdefault("applied", []).append(version)
            case CaughtUp(version=version):
                done["caught_up"] = version
            case PositionLost():
                done["lost"] = True
            case TaskNotFound():
                done["gone"] = True
            case _:
                raise AssertionError(item)
    return done


@named("following")
def test_a_task_is_followed_as_the_transcript_says(scenario: dict[str, Any]) -> None:
    follower = Follower(scenario["version"])
    for number, step in enumerate(scenario["steps"], 1):
        expected = {key: value for key, value in step["expect"].items() if key != "state"}
        assert follower.step(step) == expected, f"step {number}: {step}"


@named("outbox")
def test_commands_are_sent_as_the_transcript_says(scenario: dict[str, Any], tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", "http://gateway")
    sender = CommandSender(outbox, StreamTimings())
    for number, step in enumerate(scenario["steps"], 1):
        expected = dict(step.get("expect", {}))
        done = _command_step(sender, step)
        if "queue" in expected:
            done["queue"] = [each.id for each in outbox.waiting()]
        if "due" in expected:
            assert sender.due_at() == pytest.approx(expected.pop("due")), f"step {number}"
        assert done == expected, f"step {number}: {step}"


def _command_step(sender: CommandSender, step: dict[str, Any]) -> dict[str, Any]:
    match step:
        case {"keep": name}:
            sender.keep(command(name, "archive", {}, task=TASK))
        case {"connect": _}:
            sender.begin()
        case {"ack": name, "version": version, "at": now}:
            return _outcome(sender.answered(frames.Ack(name, TASK, version), now, chance=0.0))
        case {"nak": name, "retryable": retryable, "at": now}:
            answer = frames.Nak(name, _problem(retryable=retryable))
            return _outcome(sender.answered(answer, now, chance=step.get("chance", 0.0)))
        case {"at": now}:
            frame = sender.next(now)
            return {"send": json.loads(frame)["id"] if frame else None}
    return {}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Acknowledged():
            return {"outcome": "logged"}
        case Rejected(is_final=is_final):
            return {"outcome": "refused" if is_final else "later"}


def _problem(*, retryable: bool) -> Problem:
    return Problem(type="urn:x", title="x", status=409, detail="No.", code="x", retryable=retryable)


@pytest.mark.parametrize("case", load("reconnect")["codes"], ids=lambda case: str(case["code"]))
def test_a_close_code_has_the_verdict_of_the_transcript(case: dict[str, Any]) -> None:
    assert close_action(case["code"]) == case["verdict"]


@pytest.mark.parametrize("case", load("reconnect")["pauses"], ids=str)
def test_a_pause_is_as_long_as_the_transcript_says(case: dict[str, Any]) -> None:
    pause = pause_seconds(
        case["failures"], StreamTimings(), retry_ms=case["retry_ms"], chance=case["chance"]
    )
    assert pause == pytest.approx(case["seconds"])
