"""The fold of the web app beside the gateway's: the states after every event of a history."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from events import AccountId, History, Recorded, TaskId, codec
from events.protocol.task_state import evolve
from tests.kit.paths import ROOT
from tests.kit.web_app.node import run_in_node

_SCRIPT: Final = Path(__file__).parent / "fold_histories.mjs"
_GOLDEN: Final = ROOT / "tests" / "events" / "golden"


def fold_states(history: Iterable[Recorded], state: Any = None) -> list[Any]:
    """The gateway's fold after every event, as it answers it."""
    told = []
    for recorded in history:
        state = evolve(state, recorded)
        told.append(json.loads(msgspec.json.encode(state)))
    return told


def fold_in_node(*histories: Sequence[Recorded], state: Any = None) -> list[list[Any]]:
    """The states of the web app's fold after every event of each history."""
    return run_in_node(
        _SCRIPT,
        [
            {
                "account": history[0].account if history else "",
                "state": state,
                "events": [json.loads(recorded.body) for recorded in history],
            }
            for history in histories
        ],
    )


def assert_equal(*histories: Sequence[Recorded]) -> None:
    """Refuse any difference, at any version of any of the histories."""
    for history, folded in zip(histories, fold_in_node(*histories), strict=True):
        for recorded, here, there in zip(history, folded, fold_states(history), strict=True):
            assert here == there, f"at version {recorded.version}: {recorded.body!r}"


def stored(bodies: Iterable[bytes]) -> list[Recorded]:
    """A recorded history, from its lines."""
    lines = list(bodies)
    history = History(AccountId("acc_x"), TaskId(json.loads(lines[0])["task"]))
    return [codec.decode(history, place, body) for place, body in enumerate(lines, 1)]


def golden_facts() -> list[Any]:
    """Every fact of the golden corpus."""
    bodies = [
        body for path in sorted(_GOLDEN.glob("*.jsonl")) for body in path.read_bytes().splitlines()
    ]
    return [stored([body])[0].event for body in bodies]
