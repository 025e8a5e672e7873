"""Everything the gateway can be told from outside."""

from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from events.protocol.model_prices import OFFERED
from infra.runtime.settings import Misconfigured
from services.gateway.broker.blob_quota import BlobLimits
from services.gateway.http.serving.connection_limits import ConnectionLimits
from services.gateway.push.settings import PushSettings
from services.gateway.tasks.repository_url import Forge

_MOST_USD: Final = 10_000


class Settings(PushSettings, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down. Secrets are redacted from its repr."""

    gateway_host: str = "127.0.0.1"
    gateway_port: int
    public_url: str
    nats_url: str
    nats_credentials: Path
    event_keys: str
    events_unsigned_up_to: int = 0
    postgres_url: str
    redis_url: str
    s3_endpoint_url: str
    s3_region: str = "auto"
    s3_bucket: str
    s3_access_key_id: str
    s3_secret_access_key: str
    operator_token: str
    claim_secret: str
    machine_seconds: float = 4 * 3600.0
    log_capacity_bytes: int = 0
    account_secrets: str
    key_environment: Literal["live", "test", "local"] = "live"
    sign_up: Literal["invited", "open"] = "invited"
    allowed_origins: str = ""
    github_url: str = "https://github.com"
    github_api_url: str = "https://api.github.com"
    github_client_id: str = ""
    github_client_secret: str = ""
    github_scope: str = "repo read:user"
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: str = ""
    smtp_from: str = ""
    model_base_url: str
    model_api_key: str = ""
    model_admin_key: str = ""
    model_key_id: str = ""
    model_name: str = "claude-sonnet-5-5"
    models_offered: str = ""
    task_budget_usd: float = 5.0
    account_day_budget_usd: float = 50.0
    model_kind: Literal["anthropic", "rehearsal"] = "anthropic"
    forges: str
    secrets_key_file: str = ""
    nats_worker_url: str
    nats_workers_account: str
    nats_workers_signing_key: Path
    reads_a_minute: int = 1200
    commands_a_minute: int = 300
    anonymous_a_minute: int = 120
    trusted_proxies: str = ""
    connections: int = 20_000
    connections_per_address: int = 200
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    body_bytes_per_second: int = 1024
    write_seconds: float = 60.0
    blobs_per_task: int = 10_000
    blob_bytes_per_task: int = 8 * 2**30
    grace_seconds: float = 20.0
    metrics_port: int = 0
    log_level: str = "INFO"
    otel_exporter_otlp_endpoint: str = ""

    @property
    def connection_limits(self) -> ConnectionLimits:
        """What one client may take up of this process's connections."""
        return ConnectionLimits(
            connections=self.connections,
            connections_per_address=self.connections_per_address,
            head_seconds=self.head_seconds,
            write_seconds=self.write_seconds,
            trusted_proxies=self.trusted_proxies,
        )

    @property
    def blob_limits(self) -> BlobLimits:
        """What one task may keep in the object store."""
        return BlobLimits(blobs=self.blobs_per_task, size_bytes=self.blob_bytes_per_task)

    def __repr__(self) -> str:
        return f"Settings(public_url={self.public_url!r}, …)"


def read_origins(text: str) -> tuple[str, ...]:
    """Read ALLOWED_ORIGINS, separated by commas. Raises Misconfigured when one is no origin."""
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in ("http", "https"):
            raise Misconfigured("ALLOWED_ORIGINS: an origin is like https://app.example.com.")
    return origins


def read_models(text: str) -> tuple[str, ...] | None:
    """Read MODELS_OFFERED: names separated by commas, `any`, or nothing for all with a price."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if names == ("any",):
        return None
    return names or OFFERED


def microusd(dollars: float, name: str) -> int:
    """Read a budget in US dollars; 0 means no limit. Raises Misconfigured."""
    if not 0 <= dollars <= _MOST_USD:
        raise Misconfigured(f"{name} is in US dollars, from 0 (no limit) to {_MOST_USD}.")
    return round(dollars * 1_000_000)


def read_forges(text: str) -> tuple[Forge, ...]:
    """Read FORGES, a JSON list. Raises Misconfigured when it is not, never telling its text."""
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
