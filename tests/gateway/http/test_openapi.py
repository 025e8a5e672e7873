"""The OpenAPI document against the gateway that answers it, on real servers.

REQUESTS is about how many schemathesis makes (the issue asks for 20,000).
"""

import asyncio
import json
import os
import sys

import msgspec
import pytest
from jsonschema import Draft202012Validator
from prometheus_client import REGISTRY

from events import TaskFinished
from events.protocol.problem import Problem
from services.gateway.http.documentation.openapi import EXAMPLES
from tests.gateway.kit.full_task import a_full_task, a_furnished_world
from tests.gateway.kit.problems import UNKNOWN
from tests.kit.laws.documented_answers import described_offline
from tests.kit.run.gateway import OPERATOR

REQUESTS = int(os.environ.get("REQUESTS", "600"))
PHASES = "examples,coverage,fuzzing" if REQUESTS >= 5_000 else "examples,fuzzing"
# A value of the right shape may still be refused for what it means: 400, 410, 422.
CONFIG = """
base-url = {url}
headers = {{ Authorization = {person} }}
generation = {{ database = "none" }}

[checks]
positive_data_acceptance.expected-statuses = [
    "2xx", "400", "401", "403", "404", "409", "410", "422", "429",
]

[[operations]]
include-tag = "operator"
headers = {{ Authorization = {operator} }}
"""


@pytest.fixture
async def world(servers, fresh_database, tmp_path):
    async with a_furnished_world(servers, fresh_database, tmp_path) as made:
        yield made


def with_examples(document, tasks):
    """The document, with path parameters that lead somewhere."""
    known = {
        "task": [*tasks, UNKNOWN],
        "request_id": ["req_1", "req_2"],
        "name": ["page.html", "x"],
    }
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in known and parameter["in"] == "path":
                    parameter["schema"]["enum"] = known[parameter["name"]]
    return document


def answered():
    """Return the number of requests answered, by the first digit of their status."""
    counts = {}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name == "errand_gateway_answers_total":
                digit = sample.labels["status"][0]
                counts[digit] = counts.get(digit, 0) + int(sample.value)
    return counts


async def schemathesis(place, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        place / "schemathesis.toml",
        "run",
        place / "openapi.json",
        "--no-color",
        "--generation-allow-x00=true",
        "--warnings=off",
        *arguments,
        cwd=place,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def references(node):
    if isinstance(node, dict):
        for name, value in node.items():
            yield from [value] if name == "$ref" else references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_operation_tells_its_refusals_as_problems():
    document = described_offline()
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            refusals = {s: r for s, r in operation["responses"].items() if s[0] in "45"}
            assert operation["summary"], (method, path)
            if path.startswith("/health/"):
                continue
            assert {"429", "503"} <= set(refusals), (method, path)
            assert ("401" in refusals) or operation.get("security") == [], (method, path)
            assert ("404" in refusals) or "{" not in path, (method, path)
            for response in refusals.values():
                assert list(response["content"]) == ["application/problem+json"]
                [example] = response["content"]["application/problem+json"]["examples"].values()
                msgspec.convert(example["value"], Problem)


def test_every_reference_leads_somewhere_and_every_example_fits_its_schema():
    document = described_offline()
    schemas = document["components"]["schemas"]
    assert {r.rpartition("/")[2] for r in references(document)} <= set(schemas)
    assert set(EXAMPLES) <= set(schemas)
    for name, example in EXAMPLES.items():
        whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        Draft202012Validator(whole).validate(example)


@pytest.mark.timeout(1800)
async def test_no_request_is_answered_otherwise_than_described(world, servers, tmp_path):
    ada = await world.person("ada")
    tasks = [await a_full_task(ada, world, servers)]
    ended = await ada.submit()
    await world.append(ada.history(ended), TaskFinished(summary="done", outcome="no_changes"))
    document = (await ada.http.get("/docs/openapi.json")).json()
    count = sum(len(item) for item in document["paths"].values())
    whole = with_examples(document, [*tasks, ended])
    (tmp_path / "openapi.json").write_text(json.dumps(whole))
    (tmp_path / "schemathesis.toml").write_text(
        CONFIG.format(
            url=json.dumps(world.url),
            person=json.dumps(f"Bearer {ada.token}"),
            operator=json.dumps(f"Bearer {OPERATOR}"),
        )
    )
    before = answered()
    code, output = await schemathesis(
        tmp_path,
        "--checks=all",
        f"--phases={PHASES}",
        "--workers=2",
        f"--max-examples={max(1, REQUESTS // count)}",
        "--seed=7",
        "--continue-on-failure",
    )
    after = answered()
    made = {digit: after[digit] - before.get(digit, 0) for digit in after}
    print(output[-3000:], made, file=sys.stderr)
    assert code == 0, output
    assert sum(made.values()) >= REQUESTS / 2
    assert made["2"] > count / 2
    assert made.get("5", 0) == 0
