"""A task keeps its calls by ids of our own where the model's do not tell them apart."""

from hashlib import sha256

from events import ModelReplied, ToolCompleted
from services.worker.agent.tool_calls import calls_of, with_own_ids
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.fake_sandbox import printed
from tests.kit.fakes.worker_world import Bench, called, said
from tests.kit.run.driven_workers import driven


def call(id_, script):
    return (id_, "bash", {"command": script})


async def test_calls_of_one_id_are_all_run_and_all_kept():
    bench = Bench(
        called(call("call_0", "one"), call("call_0", "two")),
        called(call("call_0", "three")),
        said("Done."),
    )
    for script in ("one", "two", "three"):
        bench.sandbox.scripts[script] = printed(f"{script}\n" * 20_000)
    await bench.append(SUBMITTED)

    await driven(bench)

    ended = bench.facts(ToolCompleted)
    assert [e.output.partition("\n")[0] for e in ended] == ["one", "two", "three"]
    assert len({e.call for e in ended}) == 3
    for each, script in zip(ended, ("one", "two", "three"), strict=True):
        kept = bench.blobs.stored[each.artifact.key]
        assert kept.startswith(script.encode())
        assert sha256(kept).hexdigest() == each.artifact.sha256
        assert each.call not in each.artifact.key
    for question, reply in zip(
        bench.model.model_requests[1:], bench.facts(ModelReplied), strict=False
    ):
        results = [b["tool_use_id"] for b in question.messages[-1]["content"]]
        assert results == [c.id for c in calls_of(reply.blocks)]


def test_an_id_of_the_models_stays_where_it_can():
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    blocks = [
        thought,
        *({"type": "tool_use", "id": i, "name": "x", "input": {}} for i in ("a", "", "../up", "a")),
    ]

    owned = with_own_ids(blocks, {"b"}, turn=7)

    assert owned[0] is thought
    assert [b["id"] for b in owned[1:]] == ["a", "errand_7_2", "errand_7_3", "errand_7_4"]
    assert with_own_ids(blocks[1:2], {"a"}, turn=8)[0]["id"] == "errand_8_0"
