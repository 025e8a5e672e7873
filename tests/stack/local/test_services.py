"""The environments the stack composes are what the services read, and hold what they should."""

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
from infra.runtime.settings import variables
from services.gateway.settings import BrokerProcessSettings, read_forge_access, read_forges
from services.gateway.settings import Settings as GatewaySettings
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
        ("broker", BrokerProcessSettings),
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
    assert composed["broker"]["MODEL_KIND"] == "rehearsal"
    assert composed["broker"]["MODEL_BASE_URL"].endswith(composed["model"]["PORT"])
    assert composed["broker"]["MODEL_API_KEY"] == composed["model"]["MODEL_API_KEY"]


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
    assert composed["broker"]["MODEL_KIND"] == "anthropic"
    assert composed["broker"]["MODEL_BASE_URL"] == address
    assert composed["broker"]["MODEL_API_KEY"] == settings.anthropic_api_key
    assert "model" not in composed


def test_the_persons_secrets_reach_the_broker_alone(up: Servers) -> None:
    settings = Settings(anthropic_api_key=SECRET, github_token="github-secret")
    holders = {
        name
        for name, environment in environments(up, settings).items()
        for value in environment.values()
        if SECRET in value or "github-secret" in value
    }
    assert holders == {"broker"}


def test_what_the_broker_alone_reads_is_not_told_to_the_gateway(up: Servers) -> None:
    composed = environments(up, Settings(anthropic_api_key=SECRET, anthropic_admin_key="admin"))
    own = {name.upper() for name in variables(BrokerProcessSettings)}
    shared = {name.upper() for name in variables(GatewaySettings)}
    assert not set(composed["gateway"]) & (own - shared)
    assert {"MODEL_API_KEY", "MODEL_ADMIN_KEY", "SECRETS_KEY_FILE", "NATS_WORKERS_SIGNING_KEY"} <= (
        own - shared
    )
    values = " ".join(composed["gateway"].values())
    assert "token" not in composed["gateway"]["FORGES"]
    for secret in (SECRET, "secrets.key", "workers.seed"):
        assert secret in " ".join(composed["broker"].values())
        assert secret not in values


def test_workers_are_sent_to_the_broker(up: Servers) -> None:
    composed = environments(up, Settings())
    assert composed["scheduler"]["GATEWAY_URL"].endswith(f":{composed['broker']['BROKER_PORT']}")
    assert composed["broker"]["BROKER_PORT"] != composed["gateway"]["GATEWAY_PORT"]


def test_no_secret_is_an_argument(up: Servers) -> None:
    programs = composing.services(up, ADDRESS, Settings())
    arguments = " ".join(word for program in programs for word in program.command)
    assert up.keys.operator_token not in arguments
    assert up.keys.claim_secret not in arguments


def test_a_forge_is_allowed_when_there_is_a_token_for_it(up: Servers) -> None:
    def allowed(settings: Settings) -> list[str]:
        composed = environments(up, settings)
        named = [forge.url for forge in read_forges(composed["gateway"]["FORGES"])]
        access = read_forge_access(composed["broker"]["FORGES"])
        assert [forge.url for forge in access] == named
        assert all(forge.token for forge in access)
        return named

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
