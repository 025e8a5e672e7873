"""Broker routes for the operator alone: kill switches, and the state of the sealed keys."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, FromQuery, JSONBody

from services.gateway.accounts.authentication import is_operator
from services.gateway.broker.kill_switches import KillSwitch, KillSwitchRequest, Level
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context
from services.gateway.http.request_checks import AnyRequest, bearer
from services.gateway.problems import invalid, not_found, unauthenticated

_TAGS: Final = ["operator"]


class SwitchList(msgspec.Struct, frozen=True):
    """The switches that are thrown."""

    data: Sequence[KillSwitch]


class KeyEncryptionState(msgspec.Struct, frozen=True):
    """The current key-encryption key, and the number of secrets per key that wraps them."""

    current: str
    secrets: Mapping[str, int]


@get("/v1/operator/switches", tags=_TAGS, summary="List kill switches")
async def switches(request: AnyRequest, context: Context) -> SwitchList:
    """List the switches that are thrown, oldest first."""
    _require_operator(request, context)
    return SwitchList(await context.records.switches.all())


@put("/v1/operator/switches", tags=_TAGS, summary="Throw a kill switch")
async def throw(
    request: AnyRequest, context: Context, data: JSONBody[KillSwitchRequest]
) -> KillSwitch:
    """Stop model calls, pushes and pull requests of everybody, an account, a person or a task."""
    _require_operator(request, context)
    if (data.level == "global") == bool(data.owner):
        raise invalid(
            "owner_refused",
            "/owner",
            "The global switch has no owner; every other switch needs one.",
        )
    return await context.records.switches.throw(data, now=context.clock())


@delete("/v1/operator/switches/{level:str}", tags=_TAGS, summary="Clear a kill switch")
async def clear(
    request: AnyRequest, context: Context, *, level: FromPath[Level], owner: FromQuery[str] = ""
) -> None:
    """Clear a kill switch. Tasks that it made fail go on when a person instructs them to."""
    _require_operator(request, context)
    if not await context.records.switches.clear(level, owner):
        raise not_found("switch")


@get(
    "/v1/operator/key-encryption",
    tags=_TAGS,
    summary="Key rotation progress",
    opt={"answers": (404,)},
)
async def key_encryption(request: AnyRequest, context: Context) -> KeyEncryptionState:
    """Count the secrets by the key-encryption key that wraps theirs."""
    _require_operator(request, context)
    store = context.records.secrets
    current = await store.current_key()
    if not current:
        raise not_found("key file")
    return KeyEncryptionState(current, await store.counted())


def _require_operator(request: AnyRequest, context: GatewayContext) -> None:
    if not is_operator(bearer(request), context.operator_token):
        raise unauthenticated()


ROUTES: list[Any] = [switches, throw, clear, key_encryption]
