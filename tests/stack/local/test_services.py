"""The environments the stack composes are what the services read, and hold what they should."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.local import services as composing
from infra.local.home import Home
from infra.local.keys import Storage, mint, with_event_keys, write_credentials
from infra.local.servers.provisioning import Servers
from infra.local.services import Address
from infra.local.settings import Settings, passed_on
from infra.local.stack import public_url
from infra.runtime import settings as from_environment
from services.gateway.settings import Settings as GatewaySettings
from services.gateway.settings import read_forges
from services.projector.settings import Settings as ProjectorSettings
from services.scheduler.settings import Settings as SchedulerSettings

PORTS = {name: 4000 + n for n, name in enumerate(("nats", "storage", *composing.PORTS))}
ADDRESS = Address(host="127.0.0.1", port=PORTS["gateway"], public_url="http://127.0.0.1:4002")
SECRET = "anthropic-secret"


@pytest.fixture
def up(tmp_path: Path) -> Servers:
    home = Home(directory=tmp_path, sockets=tmp_path, environment={"PATH": "/bin"})
    home.secrets.mkdir()
    keys = with_event_keys(tmp_path / "keys.json", mint(bytes), bytes, last_sequence=0)
    write_credentials(home.secrets, keys, now=datetime(2026, 11, 23, tzinfo=UTC))
    storage = Storage(endpoint="http://127.0.0.1:1", key="key", secret="secret")
    return Servers(home=home, keys=keys, ports=PORTS, storage=storage)


def environments(up: Servers, settings: Settings) -> dict[str, dict[str, str]]:
    programs = [
        *composing.stand_ins(up.home, up.keys, up.ports, settings=settings),
        *composing.services(up, ADDRESS, settings),
    ]
    return {program.name: dict(program.environment) for program in programs}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gateway", GatewaySettings),
        ("scheduler", SchedulerSettings),
        ("projector", ProjectorSettings),
    ],
)
def test_a_service_can_read_the_environment_composed_for_it(
    up: Servers, name: str, kind: type[Any]
) -> None:
    read = from_environment.read(kind, environments(up, Settings())[name])
    assert read.nats_url == up.nats_url


def test_without_a_key_the_rehearsal_model_is_started_and_asked(up: Servers) -> None:
    composed = environments(up, Settings())
    assert composed["gateway"]["MODEL_KIND"] == "rehearsal"
    assert composed["gateway"]["MODEL_BASE_URL"].endswith(composed["model"]["PORT"])
    assert composed["gateway"]["MODEL_API_KEY"] == composed["model"]["MODEL_API_KEY"]


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (Settings(anthropic_api_key=SECRET), "https://api.anthropic.com"),
        (Settings(anthropic_base_url="http://model.lan"), "http://model.lan"),
    ],
)
def test_with_a_key_or_an_address_that_model_is_asked_and_no_other_started(
    up: Servers, settings: Settings, address: str
) -> None:
    composed = environments(up, settings)
    assert composed["gateway"]["MODEL_KIND"] == "anthropic"
    assert composed["gateway"]["MODEL_BASE_URL"] == address
    assert composed["gateway"]["MODEL_API_KEY"] == settings.anthropic_api_key
    assert "model" not in composed


def test_the_persons_secrets_reach_the_gateway_alone(up: Servers) -> None:
    settings = Settings(anthropic_api_key=SECRET, github_token="github-secret")
    holders = {
        name
        for name, environment in environments(up, settings).items()
        for value in environment.values()
        if SECRET in value or "github-secret" in value
    }
    assert holders == {"gateway"}


def test_no_secret_is_an_argument(up: Servers) -> None:
    programs = composing.services(up, ADDRESS, Settings())
    arguments = " ".join(word for program in programs for word in program.command)
    assert up.keys.operator_token not in arguments
    assert up.keys.claim_secret not in arguments


def test_a_forge_is_allowed_when_there_is_a_token_for_it(up: Servers) -> None:
    def allowed(settings: Settings) -> list[str]:
        forges = environments(up, settings)["gateway"]["FORGES"]
        read_forges(forges)
        return [forge["url"] for forge in json.loads(forges)]

    local = f"http://127.0.0.1:{PORTS['forge']}"
    assert allowed(Settings()) == [local]
    assert allowed(Settings(github_token="t")) == [local, "https://github.com"]
    assert allowed(Settings(gitlab_token="t")) == [local, "https://gitlab.com"]


def test_only_what_is_no_secret_is_passed_on() -> None:
    there = {"PATH": "/bin", "HOME": "/h", "ANTHROPIC_API_KEY": "k", "GITHUB_TOKEN": "t"}
    assert passed_on(there) == {"PATH": "/bin", "HOME": "/h"}


def test_a_gateway_that_listens_everywhere_is_named_by_an_address_a_phone_can_use() -> None:
    assert public_url("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert "0.0.0.0" not in public_url("0.0.0.0", 80)


def test_a_representation_tells_no_secret() -> None:
    assert SECRET not in repr(Settings(anthropic_api_key=SECRET))
