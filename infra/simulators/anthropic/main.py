"""The rehearsal model as a process: its settings, and its parts put together."""

import secrets
from importlib.resources import files
from pathlib import Path

import msgspec
import uvicorn

from infra.runtime.clock import Clock, utc_now
from infra.simulators.anthropic.api.app import Api, ApiKeys
from infra.simulators.anthropic.api.faults import Faults
from infra.simulators.anthropic.api.signature import Seal
from infra.simulators.anthropic.billing.ledger import Ledger
from infra.simulators.anthropic.billing.prompt_cache import PromptCache
from infra.simulators.anthropic.billing.rate_limits import Limits
from infra.simulators.anthropic.rehearsal import Rehearsal
from infra.simulators.anthropic.scripts.script import load

GRACE_SECONDS = 3


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down."""

    host: str = "127.0.0.1"
    port: int
    directory: str
    model_api_key: str
    """Key that requests must have."""
    model_admin_key: str = ""
    """Key with which the usage report may be read; without it there is no report."""
    pace: float = 0.01
    """Seconds before each delta of a stream, so that a demonstration looks alive."""
    faults: bool = False
    requests_a_minute: int = 100_000
    """Requests per minute before 429."""
    window_tokens: int = 0
    """The context window of every model, in tokens; 0: each model's own."""


def compose(settings: Settings, *, clock: Clock) -> Api:
    """Put the application together; makes the directory, raises BadScript for a broken script."""
    directory = Path(settings.directory)
    directory.mkdir(parents=True, exist_ok=True)
    rehearsal = Rehearsal(
        load(files("infra.simulators.anthropic.scripts")),
        Seal(settings.model_api_key),
        PromptCache(clock),
        entropy=secrets.token_bytes,
        window_tokens=settings.window_tokens,
    )
    return Api(
        rehearsal,
        keys=ApiKeys(settings.model_api_key, settings.model_admin_key),
        ledger=Ledger(directory),
        limits=Limits(clock, requests_a_minute=settings.requests_a_minute),
        clock=clock,
        faults=Faults() if settings.faults else None,
        pace_seconds=settings.pace,
    )


def server(settings: Settings, *, clock: Clock = utc_now) -> uvicorn.Server:
    """Return the HTTP server, not yet running."""
    return uvicorn.Server(
        uvicorn.Config(
            compose(settings, clock=clock),
            host=settings.host,
            port=settings.port,
            lifespan="off",
            ws="none",
            log_level="warning",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
