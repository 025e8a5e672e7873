"""Requests and responses of the Machines API, as structs.

Source: Fly's OpenAPI document (Machines API 1.0) and behaviour observed on Fly itself.
"""

import re
from typing import Any, Literal

import msgspec

SIGNALS = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM")

Signal = Literal["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM"]
# A request or a configuration as it was sent: answered verbatim, so kept verbatim.
Json = dict[str, Any]


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """The size of a machine; memory in mebibytes."""

    cpu_kind: str = "shared"
    cpus: int = 1
    memory_mb: int = 256
    max_memory_mb: int = 0
    gpu_kind: str = ""
    gpus: int = 0
    host_dedication_id: str = ""
    kernel_args: tuple[str, ...] = ()
    persist_rootfs: str = ""


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Restart policy for a machine's process that ends by itself."""

    policy: Literal["no", "always", "on-failure", "spot-price"] = "on-failure"
    max_retries: int = 10
    gpu_bid_price: float = 0.0


class StopConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Signal and timeout of a stop; also the body of a stop request. Timeout: a Go duration."""

    signal: Signal = "SIGINT"
    timeout: str = "5s"


class StopRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a stop request; what is absent is taken from the machine's stop_config."""

    signal: Signal | None = None
    timeout: str | None = None


class MetadataValue(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a metadata write."""

    value: str


class MachineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Configuration of a machine, as far as it has an effect here. The names are Fly's."""

    image: str
    auto_destroy: bool = False
    env: dict[str, str] = {}
    guest: Guest = Guest()
    metadata: dict[str, str] = {}
    restart: Restart = Restart()
    stop_config: StopConfig = StopConfig()


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a create request. `config` stays as sent; MachineConfig reads it."""

    config: Json
    name: str = ""
    region: str = ""
    lease_ttl: int = 0
    min_secrets_version: int = 0
    skip_launch: bool = False
    skip_secrets: bool = False
    skip_service_registration: bool = False


class MachineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a machine; `status` is the state it led to, time in ms."""

    id: str
    type: str
    status: str
    source: Literal["user", "flyd"]
    timestamp: int
    request: Json = {}


class ImageRef(msgspec.Struct, frozen=True, kw_only=True):
    """Origin of the image."""

    registry: str = ""
    repository: str = ""
    tag: str = ""
    digest: str = ""
    labels: dict[str, str] = {}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, as the API answers it. Events stand newest first."""

    id: str
    name: str
    state: str
    region: str
    instance_id: str
    private_ip: str
    created_at: str
    updated_at: str
    config: Json
    image_ref: ImageRef
    events: tuple[MachineEvent, ...]
    cordoned: bool = False
    host_status: Literal["ok", "unknown", "unreachable"] = "ok"

    @property
    def settings(self) -> MachineConfig:
        """The configuration, typed."""
        return msgspec.convert(self.config, MachineConfig)


class ApiError(Exception):
    """An answer that is not a success: HTTP status, Fly's text and, where Fly has one, its code."""

    def __init__(self, status: int, error: str, code: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.code = code


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration_seconds(text: str) -> float:
    """Read a Go duration ("30s", "1m30s", "0"). Raises ApiError 400 on anything else."""
    if text == "0":
        return 0.0
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ApiError(400, f'invalid_argument: time: invalid duration "{text}"')
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
