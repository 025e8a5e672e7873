"""Trial of policies on recorded histories: the calls to ask about, and those to deny."""

import pytest
from msgspec.structs import replace

from events import ApprovalRule, Blob, ModelReplied
from services.worker.replay.policies import TriedCall, try_policy
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.fake_sandbox import printed
from tests.kit.fakes.worker_world import Bench, called
from tests.kit.run.driven_workers import SUBMIT, WRITE, driven

REMOVE = ("c2", "bash", {"command": "rm -rf build"})
REMOVE_MORE = ("c3", "bash", {"command": "rm -rf dist"})


async def history_of(*calls):
    bench = Bench(*(called(call) for call in calls), called(SUBMIT))
    for call in calls:
        if call[1] == "bash":
            bench.sandbox.scripts[call[2]["command"]] = printed("gone")
    await bench.append(SUBMITTED)
    await driven(bench)
    return bench.recorded


async def test_a_policy_is_tried_on_calls_that_were_made_without_it():
    history = await history_of(WRITE, REMOVE, REMOVE_MORE)
    assert try_policy(history, "never").tried == ()
    trial = try_policy(history, "risky")
    assert trial.calls == 4
    assert [(each.title, each.verdict, each.reasons, each.is_repeated) for each in trial.tried] == [
        ("$ rm -rf build", "ask", "deleting files", False),
        ("$ rm -rf dist", "ask", "deleting files", True),
    ]
    versions = [each.version for each in history if isinstance(each.event, ModelReplied)]
    assert [each.version for each in trial.tried] == versions[1:3]


async def test_rules_are_tried_too():
    history = await history_of(WRITE, REMOVE)
    rules = [ApprovalRule("deny", "command", "rm"), ApprovalRule("allow", "tool", "write")]
    replied = [each.version for each in history if isinstance(each.event, ModelReplied)]
    assert try_policy(history, "always", rules).tried == (
        TriedCall(replied[1], "$ rm -rf build", "deny", "running rm"),
    )


async def test_a_reply_that_is_not_there_is_not_taken_for_one_without_calls():
    history = await history_of(WRITE)
    blob = Blob(key="replies/1", size_bytes=1, sha256="0" * 64)
    without = [
        replace(each, event=replace(each.event, blob=blob, blocks=()))
        if isinstance(each.event, ModelReplied)
        else each
        for each in history
    ]
    with pytest.raises(ValueError, match="the blocks of the reply at version"):
        try_policy(without, "never")
