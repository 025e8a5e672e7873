"""Settings of the whole gateway, composed of those of its parts."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from events.protocol.model_prices import OFFERED
from infra.runtime.settings import Misconfigured
from services.gateway.accounts.settings import AccountSettings
from services.gateway.broker.settings import BrokerSettings
from services.gateway.http.settings import HttpSettings
from services.gateway.push.settings import PushSettings
from services.gateway.stores.settings import StoreSettings
from services.gateway.tasks.repository_url import Forge


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(HttpSettings, BrokerSettings, PushSettings, AccountSettings, StoreSettings):
    """Read once, in `__main__`, and passed down: each part takes its own base class.

    It has no repr, so that no secret is shown.
    """

    nats_url: str
    nats_credentials: Path
    event_keys: str
    events_unsigned_up_to: int = 0
    log_capacity_bytes: int = 0
    forges: str
    model_name: str = "claude-sonnet-5-5"
    models_offered: str = ""
    task_budget_usd: float = 5.0
    metrics_port: int = 0
    log_level: str = "INFO"
    otel_exporter_otlp_endpoint: str = ""


def read_models(text: str) -> tuple[str, ...] | None:
    """Read MODELS_OFFERED: names separated by commas, `any`, or nothing for all with a price."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if names == ("any",):
        return None
    return names or OFFERED


def read_forges(text: str) -> tuple[Forge, ...]:
    """Read FORGES, a JSON list. Raises Misconfigured without showing its text."""
    try:
        forges = msgspec.json.decode(text, type=tuple[Forge, ...])
    except msgspec.DecodeError as error:
        raise Misconfigured(f"FORGES is not a JSON list of forges: {error}.") from None
    for forge in forges:
        parts = urlsplit(forge.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise Misconfigured("FORGES: every forge needs a `url` like https://github.com.")
        if forge.kind != "git" and not forge.api_url:
            raise Misconfigured(f"FORGES: the {forge.kind} forge needs an `api_url`.")
        if forge.app_id and (forge.kind != "github" or not forge.app_key_file):
            raise Misconfigured("FORGES: an `app_id` is a github forge's, with an `app_key_file`.")
    return forges
