"""Validation of a create request, with the error texts Fly uses."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from infra.machines_api.shapes import (
    ApiError,
    CreateRequest,
    Guest,
    Json,
    MachineConfig,
    Restart,
    StopConfig,
    duration_seconds,
)

S = TypeVar("S", bound=msgspec.Struct)

_MEMORY_MB_PER_CPU = {"shared": (256, 2048), "performance": (2048, 8192)}
_MEMORY_STEP_MB = 256
_CPUS = (1, 2, 4, 6, 8, 10, 12, 14, 16)

# Fields Fly knows and a local machine cannot honour: an empty value is harmless, any other would
# look healthy and have no effect, so it is refused.
_NOT_HERE = frozenset(
    {"cache_drive", "checks", "containers", "files", "init", "metrics", "mounts", "processes"}
    | {"rootfs", "schedule", "services", "size", "spot", "standbys", "statics"}
)
_WITHOUT_EFFECT = frozenset({"disable_machine_autostart", "dns"})
_NESTED: Mapping[str, type[msgspec.Struct]] = {
    "guest": Guest,
    "restart": Restart,
    "stop_config": StopConfig,
}


def create_request(body: Json, *, is_strict: bool) -> CreateRequest:
    """Read a create request. Raises ApiError 400 or 422 with a text that names the field.

    Fly passes over fields it does not know; a strict server refuses them, so that a mistyped name
    is found on the laptop.
    """
    request = _convert(body, CreateRequest)
    config = _convert(request.config, MachineConfig, at="config.")
    if is_strict:
        for name in _unknown_fields(body):
            raise ApiError(400, f'invalid_argument: json: unknown field "{name}"')
    for name in sorted(_NOT_HERE & request.config.keys()):
        if request.config[name]:
            raise ApiError(400, f"unimplemented: config.{name} has no effect on a local machine")
    if not config.image:
        raise ApiError(400, "invalid_argument: config.image is required")
    if request.lease_ttl:
        raise ApiError(400, "unimplemented: lease_ttl has no effect on a local machine")
    _check_guest(config.guest)
    duration_seconds(config.stop_config.timeout)
    return request


def body_of(body: bytes, kind: type[S]) -> S:
    """Read a request body as `kind`. Raises ApiError 400."""
    return _convert(json_object(body), kind)


def json_object(body: bytes) -> Json:
    """Read a body that must be a JSON object; an empty one counts as {}. Raises ApiError 400."""
    if not body:
        return {}
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, f"invalid_argument: {error}") from None
    if not isinstance(value, dict):
        kind = "array" if isinstance(value, list) else type(value).__name__
        raise ApiError(400, f"json: cannot unmarshal {kind} into Go value of type main.request")
    return value


def _convert(value: Json, kind: type[S], at: str = "") -> S:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"invalid_argument: {at}{error}") from None


def _unknown_fields(body: Json) -> Iterator[str]:
    yield from body.keys() - _names(CreateRequest)
    config = body["config"]
    yield from sorted(config.keys() - _names(MachineConfig) - _NOT_HERE - _WITHOUT_EFFECT)
    for name, kind in _NESTED.items():
        yield from sorted(config.get(name, {}).keys() - _names(kind))


def _names(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def _check_guest(guest: Guest) -> None:
    """Refuse a size Fly does not sell. Source: flyctl's limits of memory for each kind of CPU."""
    if guest.cpu_kind not in _MEMORY_MB_PER_CPU:
        raise ApiError(422, f'invalid_argument: unknown cpu_kind "{guest.cpu_kind}"')
    if guest.cpus not in _CPUS:
        raise ApiError(422, f"invalid_argument: invalid number of CPUs: {guest.cpus}")
    least, most = (each * guest.cpus for each in _MEMORY_MB_PER_CPU[guest.cpu_kind])
    if not least <= guest.memory_mb <= most or guest.memory_mb % _MEMORY_STEP_MB:
        raise ApiError(
            422,
            f"invalid_argument: invalid memory size {guest.memory_mb} MiB for {guest.cpus} "
            f"{guest.cpu_kind} CPUs: from {least} to {most} in steps of {_MEMORY_STEP_MB}",
        )
    if guest.gpus or guest.gpu_kind:
        raise ApiError(400, "unimplemented: a local machine has no GPU")
