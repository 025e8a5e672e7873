"""The broker's addresses of environments: a worker reports what it found, and keeps packs.

A pack belongs to the account and the repository of the task whose token is sent, and can be written
only while no tool call has begun: nothing that the agent did is in it.
"""

from typing import Any, Final

from litestar import Response, get, post, put
from litestar.params import FromPath, JSONBody

from events.protocol.api.environments import FoundEnvironment
from events.protocol.broker_environment import (
    ENVIRONMENT_PATH,
    MAX_PARTS,
    PART_BYTES,
    EnvironmentRequest,
    EnvironmentResponse,
    PackRequest,
)
from infra.stores.object_keys import is_sha256
from services.gateway.broker.assembly import Broker
from services.gateway.broker.attempts import TokenHolder
from services.gateway.http.request_checks import AnyRequest
from services.gateway.http.routes.attempt_tokens import CurrentBroker, token_holder
from services.gateway.problems import not_found, refused
from services.gateway.stores.environment_packs import PackPlace

_IN_REPOSITORY: Final = frozenset({"file", "devcontainer", "detected"})


@post(f"/{ENVIRONMENT_PATH}", status_code=200)
async def look_up(
    request: AnyRequest, broker: CurrentBroker, data: JSONBody[EnvironmentRequest]
) -> EnvironmentResponse:
    """Note what the task found in its repository; answer the parts of the pack it asks for."""
    holder = await token_holder(request, broker)
    account, task = holder.history.account, holder.history.task
    if data.source in _IN_REPOSITORY:
        found = FoundEnvironment(data.source, data.reason, data.definition, task, broker.clock())
        await broker.environments.note_found(account, holder.repository, found)
    if data.key is None:
        return EnvironmentResponse()
    place = PackPlace(account, holder.repository, data.key)
    return EnvironmentResponse(tuple(await broker.packs.use(place)))


@get(f"/{ENVIRONMENT_PATH}/{{key:str}}/{{number:int}}")
async def read_part(
    request: AnyRequest, broker: CurrentBroker, key: FromPath[str], number: FromPath[int]
) -> Response[bytes]:
    """Send a part of a pack."""
    place = _place(await token_holder(request, broker), key)
    content = await broker.packs.read_part(place, _number(number))
    return Response(content, media_type="application/octet-stream")


@put(f"/{ENVIRONMENT_PATH}/{{key:str}}/{{number:int}}", request_max_body_size=PART_BYTES)
async def write_part(
    request: AnyRequest, broker: CurrentBroker, key: FromPath[str], number: FromPath[int]
) -> None:
    """Store a part of a pack that the attempt makes."""
    holder = await _writer(request, broker)
    place = _place(holder, key)
    content = await request.body()
    await broker.packs.write_part(place, _number(number), content, writer=_name(holder))


@post(f"/{ENVIRONMENT_PATH}/{{key:str}}", status_code=204)
async def keep(
    request: AnyRequest, broker: CurrentBroker, key: FromPath[str], data: JSONBody[PackRequest]
) -> None:
    """Let a pack count whose parts are stored, in place of one of the same key."""
    holder = await _writer(request, broker)
    task = holder.history.task
    await broker.packs.keep(_place(holder, key), data.parts, task=task, writer=_name(holder))


async def _writer(request: AnyRequest, broker: Broker) -> TokenHolder:
    """Return the attempt that may write a pack. Raises Refused: 401, 409 after a tool call."""
    holder = await token_holder(request, broker)
    if (await broker.attempts.task_now(holder)).has_used_tools:
        raise refused(
            409,
            "environment_used",
            "A pack is stored before the first tool call of a task: what comes later is not kept.",
        )
    return holder


def _place(holder: TokenHolder, key: str) -> PackPlace:
    if not is_sha256(key):
        raise not_found("pack")
    return PackPlace(holder.history.account, holder.repository, key)


def _number(number: int) -> int:
    if not 0 <= number < MAX_PARTS:
        raise not_found("part of the pack")
    return number


def _name(holder: TokenHolder) -> str:
    return f"{holder.history.task}.{holder.grant.attempt}"


BROKER_ENVIRONMENT: Final[tuple[Any, ...]] = (look_up, read_part, write_part, keep)
