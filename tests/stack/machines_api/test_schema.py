"""The local Machines API, held to an excerpt of Fly's own OpenAPI document."""

from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.kit.servers.machines_api import TOKEN, local_machines

SCHEMA = Path(__file__).with_name("fly-machines-openapi.json")
document = schemathesis.openapi.from_path(SCHEMA)


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with local_machines(tmp_path_factory.mktemp("machines"), STRICT="0") as running:
        yield running


@document.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_has_the_shape_fly_promises(api, case):
    if case.query.get("timeout"):
        case.query["timeout"] = 1
    case.call_and_validate(
        base_url=api.url.removesuffix("/v1"),
        headers={"Authorization": f"Bearer {TOKEN}"},
        checks=[not_a_server_error, response_schema_conformance],
    )


def test_a_machine_has_the_shape_fly_promises(api):
    """The examples above seldom hit a machine that exists: this one does."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=api.url, headers=headers) as http:
        config = {"image": "worker", "env": {"BEHAVE": "pass"}, "restart": {"policy": "no"}}
        path = "/apps/shape/machines"
        made = http.post(path, json={"config": config}).json()
        one = f"{path}/{made['id']}"
        asked = {
            "/v1/apps/{app_name}/machines": path,
            "/v1/apps/{app_name}/machines/{machine_id}": one,
            "/v1/apps/{app_name}/machines/{machine_id}/events": f"{one}/events",
            "/v1/apps/{app_name}/machines/{machine_id}/wait": f"{one}/wait?state=settled",
        }
        for template, url in asked.items():
            answer = http.get(url)
            document[template]["GET"].validate_response(answer)
