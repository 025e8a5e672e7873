"""Settings of the two processes, gateway and broker, composed of those of their parts.

Keys and credentials of others are among the broker's alone: the gateway's process never reads them.
"""

from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from events.protocol.model_prices import OFFERED
from infra.runtime.settings import Misconfigured
from services.gateway.accounts.settings import AccountSettings
from services.gateway.broker.forge.access import ForgeAccess
from services.gateway.broker.settings import BrokerSettings, SharedSettings
from services.gateway.http.settings import BrokerHttpSettings, HttpSettings
from services.gateway.push.settings import PushSettings
from services.gateway.stores.settings import LastingStoreSettings, StoreSettings
from services.gateway.tasks.repository_url import Forge

_Forge = TypeVar("_Forge", bound=Forge)


@dataclass(frozen=True, kw_only=True, repr=False)
class ProcessSettings:
    """Settings of the forges and telemetry, for both processes."""

    forges: str
    """JSON list of forges: `kind`, `url`, `api_url`; for the broker alone also `token`, or `app_id`
    with `app_key_file`.
    """
    metrics_port: int = 0
    """Port on 127.0.0.1 for Prometheus metrics at `/metrics`; 0 means none."""
    log_level: str = "INFO"
    """Lowest level of log lines: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    otel_exporter_otlp_endpoint: str = ""
    """Collector for traces (OTLP over HTTP); without it none are sent."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(
    HttpSettings, SharedSettings, PushSettings, AccountSettings, StoreSettings, ProcessSettings
):
    """Settings of the gateway's process: read once, in `__main__`, and passed down.

    Each part takes its own base class. It has no repr, so that no secret is shown.
    """

    log_capacity_bytes: int = 0
    """Bytes that NATS has for one copy of the log; new tasks are refused at four fifths. 0 means no
    check.
    """
    model_name: str = "claude-sonnet-5-5"
    """Model of a task that names none."""
    models_offered: str = ""
    """Models that tasks may name, separated by commas; `any` for all, empty for those with a known
    price.
    """
    task_budget_usd: float = 5.0
    """Budget of a task that names none; 0 means no limit."""


@dataclass(frozen=True, kw_only=True, repr=False)
class BrokerProcessSettings(
    BrokerHttpSettings, BrokerSettings, LastingStoreSettings, ProcessSettings
):
    """Settings of the broker's process."""


def read_models(text: str) -> tuple[str, ...] | None:
    """Read MODELS_OFFERED: names separated by commas, `any`, or nothing for all with a price."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if names == ("any",):
        return None
    return names or OFFERED


def read_forges(text: str) -> tuple[Forge, ...]:
    """Read FORGES, a JSON list, and none of the credentials in it. Raises Misconfigured."""
    return _read(text, Forge)


def read_forge_access(text: str) -> tuple[ForgeAccess, ...]:
    """Read FORGES with its credentials. Raises Misconfigured."""
    forges = _read(text, ForgeAccess)
    for forge in forges:
        if forge.app_id and (forge.kind != "github" or not forge.app_key_file):
            raise Misconfigured("FORGES: an `app_id` is a github forge's, with an `app_key_file`.")
    return forges


def _read(text: str, kind: type[_Forge]) -> tuple[_Forge, ...]:
    """Read forges. Raises Misconfigured without showing the text."""
    try:
        decoded = msgspec.json.decode(text, type=list[kind])  # type: ignore[valid-type]
    except msgspec.DecodeError as error:
        raise Misconfigured(f"FORGES is not a JSON list of forges: {error}.") from None
    forges: tuple[_Forge, ...] = tuple(decoded)
    for forge in forges:
        parts = urlsplit(forge.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise Misconfigured("FORGES: every forge needs a `url` like https://github.com.")
        if forge.kind != "git" and not forge.api_url:
            raise Misconfigured(f"FORGES: the {forge.kind} forge needs an `api_url`.")
    return forges
