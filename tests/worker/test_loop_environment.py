"""The loop prepares an environment before it asks the model, and goes on whatever comes of it."""

from msgspec.structs import replace

from events import EnvironmentDefinition, EnvironmentPrepared
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.worker_world import Bench, FakeEnvironment, called
from tests.kit.run.driven_workers import SUBMIT, WRITE, driven

DONE = EnvironmentPrepared(
    source="detected",
    definition=EnvironmentDefinition(setup="npm ci"),
    reason="detected from package-lock.json",
)
FAILED = replace(DONE, exit_code=1, output="no such package\n", problem="Set-up ended with 1.")


async def test_an_environment_is_prepared_before_the_model_is_asked():
    bench = Bench(called(WRITE), called(SUBMIT))
    bench.environment = FakeEnvironment(DONE)
    await bench.append(SUBMITTED)

    await driven(bench)

    assert bench.tags[2:5] == ["workspace.prepared", "environment.prepared", "model.requested"]
    assert bench.tags[-2] == "task.finished"
    [step] = bench.environment.prepared
    assert step.is_untouched
    system = bench.model.model_requests[0].system[0]["text"]
    assert "detected from package-lock.json) was run, and ended well" in system


async def test_a_set_up_that_failed_is_told_to_the_agent_and_ends_nothing():
    bench = Bench(called(WRITE), called(SUBMIT))
    bench.environment = FakeEnvironment(FAILED)
    await bench.append(SUBMITTED)

    await driven(bench)

    assert bench.facts(EnvironmentPrepared) == [FAILED]
    assert bench.tags[-2] == "task.finished"
    told = bench.model.model_requests[0].messages[0]["content"]
    assert any("no such package" in block["text"] for block in told)
