"""The proxy follows the history, and the history says what the proxy denied."""

from msgspec.structs import replace

from events import (
    EgressAllowed,
    EgressDenied,
    EnvironmentDefinition,
    EnvironmentPrepared,
    QuestionAnswered,
    QuestionAsked,
    TaskFinished,
)
from events.protocol.api.egress import EgressRules, HostAndPort
from services.worker.effects.egress import egress_rules
from services.worker.sandbox.egress.proxy import EgressProxy
from tests.kit.build.worker_history import PREPARED, SUBMITTED, folded, history, started
from tests.kit.fakes.worker_world import Bench, called
from tests.kit.probe.eventually import eventually
from tests.kit.run.driven_workers import SUBMIT, driving

HOST = HostAndPort("api.example.com", 443)
ASK = ("q1", "ask", {"question": "Which host?"})


async def test_a_denied_host_is_recorded_and_reached_once_a_person_allows_it():
    bench = Bench(called(ASK), called(SUBMIT))
    bench.egress = proxy = EgressProxy()
    await bench.append(SUBMITTED)
    async with driving(bench):
        await eventually(lambda: bench.facts(QuestionAsked))
        proxy.record_denial(HOST, "rules")
        proxy.record_denial(HOST, "rules")
        await eventually(lambda: bench.facts(EgressDenied))
        assert not proxy.allows(HOST)
        await bench.append(EgressAllowed(host=HOST.host, port=HOST.port))
        await eventually(lambda: proxy.allows(HOST))
        request = bench.facts(QuestionAsked)[0].request
        await bench.append(QuestionAnswered(request=request, text="that one"))
    assert bench.facts(EgressDenied) == [EgressDenied(host=HOST.host, port=HOST.port, count=2)]
    assert bench.facts(TaskFinished)


async def test_a_host_that_was_allowed_before_is_allowed_to_the_next_attempt():
    bench = Bench(called(ASK), called(SUBMIT))
    bench.egress = proxy = EgressProxy()
    await bench.append(SUBMITTED, EgressAllowed(host=HOST.host, port=HOST.port))
    async with driving(bench):
        await eventually(lambda: proxy.allows(HOST))
        await eventually(lambda: bench.facts(QuestionAsked))
        request = bench.facts(QuestionAsked)[0].request
        await bench.append(QuestionAnswered(request=request, text="that one"))


def test_the_agent_reaches_what_its_environment_and_a_person_allow_and_set_up_has_its_own_rules():
    environment = EnvironmentDefinition(agent_egress="registries", allow=("db.example.com",))
    prepared = EnvironmentPrepared(source="file", definition=environment)
    allowed = EgressAllowed(host=HOST.host, port=HOST.port)
    ready = replace(PREPARED, environment="file")
    assert egress_rules(folded(history(SUBMITTED, started(), allowed, ready))) is None
    found = egress_rules(folded(history(SUBMITTED, started(), allowed, ready, prepared)))
    assert found == (
        EgressRules(policy="registries", allow=("db.example.com", str(HOST))),
        "agent",
    )
