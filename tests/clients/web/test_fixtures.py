"""Fixtures of the web app's tests: equal to what the Python code does today."""

import json

import pytest

from events import AccountId, History, TaskId
from events.codec import decode
from events.protocol.task_state import evolve
from tests.clients.web.plain_text_table import TABLE, table
from tests.clients.web.record_histories import HISTORIES, SCENARIOS


def test_the_table_of_hidden_characters_is_todays():
    assert json.loads(TABLE.read_text()) == table()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recorded_history_decodes_and_folds_to_an_end(name):
    bodies = (HISTORIES / f"{name}.jsonl").read_bytes().splitlines()
    task = TaskId(json.loads(bodies[0])["task"])
    history = History(AccountId("acc_" + "a" * 26), task)
    state = None
    for version, body in enumerate(bodies, 1):
        recorded = decode(history, version, body)
        assert recorded.version == version
        state = evolve(state, recorded)
    assert state is not None
    assert state.phase in {"finished", "failed", "cancelled"}
    assert not state.is_quarantined
