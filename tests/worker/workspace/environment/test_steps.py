"""Steps that prepare an environment, and what the model hears of it."""

from msgspec.structs import replace

from events import EnvironmentDefinition, EnvironmentPrepared
from services.worker.agent.messages import build_messages
from services.worker.agent.next_step import next_step
from services.worker.agent.steps import PrepareEnvironment, PrepareWorkspace, Record
from services.worker.agent.system_prompt import system_blocks
from tests.kit.build.worker_history import (
    NOW,
    PREPARED,
    SNAPSHOT,
    SUBMITTED,
    began,
    ended,
    folded,
    history,
    replied,
    requested,
    started,
)

READY = replace(PREPARED, environment="detected")
SETUP = EnvironmentDefinition(setup="npm ci")
DONE = EnvironmentPrepared(source="detected", definition=SETUP, reason="detected from x", key="k")
FAILED = replace(
    DONE, exit_code=7, output="line one\nno such package", problem="Set-up ended with exit code 7."
)
BASH = ("b", "bash", {"command": "ls"})
DUE = PrepareEnvironment(commit="c0", base="main", tree="c0", is_untouched=True)


def step(*events, attempt=1):
    return next_step(folded(history(*events), attempt), NOW)


def test_an_environment_is_prepared_after_the_workspace_and_before_the_model_is_asked():
    assert step(SUBMITTED, started(), READY) == DUE
    asked = step(SUBMITTED, started(), READY, DONE)
    assert isinstance(asked, Record)
    assert asked.facts[0].turn == 1  # type: ignore[union-attr]


def test_without_an_environment_the_model_is_asked_at_once():
    assert isinstance(step(SUBMITTED, started(), PREPARED), Record)


def test_a_set_up_that_failed_does_not_end_the_task():
    assert isinstance(step(SUBMITTED, started(), READY, FAILED), Record)


def test_an_attempt_that_finds_a_crash_in_set_up_prepares_it_again():
    before = (SUBMITTED, started(), READY, started(2))
    assert isinstance(step(*before, attempt=2), PrepareWorkspace)
    assert step(*before, READY, attempt=2) == DUE


def test_every_attempt_prepares_it_and_after_a_reply_the_workspace_is_not_untouched():
    worked = (READY, DONE, requested(), replied(BASH), began("b"), ended("b"), SNAPSHOT)
    again = step(SUBMITTED, started(), *worked, started(2), READY, attempt=2)
    assert again == PrepareEnvironment(commit="c0", base="main", tree="t1", is_untouched=False)


def words(*events):
    [message, *_] = build_messages(history(*events))
    return "\n".join(block["text"] for block in message["content"])


def test_the_model_hears_the_last_lines_of_a_set_up_that_failed():
    told = words(SUBMITTED, started(), READY, FAILED, requested())
    assert told.startswith("fix it")
    assert "Set-up ended with exit code 7." in told
    assert "no such package" in told


def test_a_set_up_that_went_well_needs_no_message():
    assert words(SUBMITTED, started(), READY, DONE, requested()) == "fix it"


def prompt(prepared):
    return system_blocks({}, prepared)[0]["text"]


def test_the_system_prompt_says_what_holds_for_this_task():
    assert "No set-up was run" in prompt(None)
    assert "You have no network." in prompt(None)
    assert "detected from x) was run, and ended well" in prompt(DONE)
    assert "It is: npm ci" in prompt(DONE)
    assert "is in place, from the cache" in prompt(replace(DONE, cached=True))
    assert "failed; what it installs may be missing" in prompt(FAILED)
    put_back = prompt(replace(DONE, changed=("package-lock.json",)))
    assert "which were put back: package-lock.json." in put_back


def test_the_system_prompt_says_which_hosts_the_agent_reaches():
    def network(**values):
        return prompt(replace(DONE, definition=EnvironmentDefinition(**values)))

    assert "no network but these hosts, by HTTP and HTTPS: a.example." in network(
        allow=("a.example",)
    )
    assert "reach the registries of package managers;" in network(agent_egress="registries")
    assert "registries of package managers, and a.example" in network(
        agent_egress="registries", allow=("a.example",)
    )
    assert "you reach public hosts" in network(agent_egress="open")
    assert "no network" in network(egress="open")
