"""Devices that want push notifications, and what was sent to them."""

from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import (
    CommandKey,
    Context,
    CurrentPrincipal,
    require_command_key,
)
from services.gateway.problems import invalid, refused
from services.gateway.push.delivery_log import PushPage, SentPush
from services.gateway.push.devices import Device
from services.gateway.push.notification.address import (
    Address,
    ApnsAddress,
    FcmAddress,
    Kind,
    WebAddress,
    WebKeys,
    validate_address,
)
from services.gateway.tasks.access import Principal
from services.gateway.tasks.command_declarations import parse_command_id

_TAGS: Final = ["devices"]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")]


class Subscription(msgspec.Struct, frozen=True):
    """A browser's PushSubscription, as `JSON.stringify` spells it."""

    endpoint: str
    keys: WebKeys


class DeviceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The push address of a device: `subscription` for web, `token` for apns and fcm."""

    kind: Kind
    subscription: Subscription | None = None
    token: str = ""
    name: str = ""


class DeviceList(msgspec.Struct, frozen=True):
    """All devices of a person, newest first."""

    data: list[Device]


class PushKey(msgspec.Struct, frozen=True):
    """The kinds of push there are, and the `applicationServerKey` of the web's."""

    kinds: tuple[Kind, ...]
    vapid_public_key: str


@get("/v1/push/key", tags=_TAGS, summary="Push providers and keys", security=[])
async def push_key(context: Context) -> PushKey:
    """Return the kinds a device may register for, and the key a browser subscribes with."""
    web = context.push.providers.web
    return PushKey(context.push.providers.kinds, web.vapid.public_key if web else "")


@post(
    "/v1/devices",
    tags=_TAGS,
    summary="Register a device",
    opt={"answers": (409,)},
    responses={200: ResponseSpec(Device, description="The device was registered already.")},
)
async def register(
    context: Context, principal: CurrentPrincipal, data: JSONBody[DeviceRequest]
) -> Response[Device]:
    """Register this device for pushes; again whenever the app starts, its token may be new.

    The same subscription or token is the same device: 201 the first time, 200 after that. 422
    when this server sends no pushes of the kind.
    """
    context.push.providers.require(data.kind)
    address = validate_address(_address(data), context.push.hosts)
    made = await context.push.devices.register(principal, address, data.name)
    return Response(
        made.device,
        status_code=201 if made.is_new else 200,
        headers={"Location": f"/v1/devices/{made.device.id}"},
    )


@get("/v1/devices", tags=_TAGS, summary="List devices")
async def list_devices(context: Context, principal: CurrentPrincipal) -> DeviceList:
    """List one's own devices. A dead one has a `dead_reason`, in the push service's words."""
    return DeviceList(await context.push.devices.list(principal))


@delete("/v1/devices/{device:str}", tags=_TAGS, summary="Remove a device")
async def forget(context: Context, principal: CurrentPrincipal, device: FromPath[str]) -> None:
    """Send nothing to one of one's own devices any more, and forget what was sent."""
    await context.push.devices.delete(principal, device)


@get("/v1/devices/{device:str}/pushes", tags=_TAGS, summary="List a device's pushes")
async def list_pushes(
    context: Context,
    principal: CurrentPrincipal,
    device: FromPath[str],
    *,
    after: FromQuery[str] = "",
    limit: Limit = 50,
) -> PushPage:
    """Return every push of the last 30 days, with the push service's answer to every try."""
    await context.push.devices.get(principal, device)
    return await context.push.delivery_log.page(principal, device, after=after, limit=limit)


@post("/v1/devices/{device:str}/test", status_code=200, tags=_TAGS, summary="Send a test push")
async def send_test_push(
    context: Context, principal: CurrentPrincipal, device: FromPath[str], *, key: CommandKey = None
) -> SentPush:
    """Send a test push now and tell what the push service said to it.

    The same Idempotency-Key sends nothing twice. 409 when the device is dead.
    """
    command = parse_command_id(require_command_key(key))
    await _require_live(context, principal, device)
    push, is_new = await context.push.pushes.test(principal.account, device, command)
    if is_new:
        await context.push.sender.send_now(push)
    return await context.push.delivery_log.one(principal, device, push)


async def _require_live(context: GatewayContext, principal: Principal, device: str) -> None:
    found = await context.push.devices.get(principal, device)
    if found.dead_at is not None:
        raise refused(
            409,
            "device_dead",
            f"The push service said that this device is gone ({found.dead_reason}). Register it "
            "again from the device itself.",
        )


def _address(body: DeviceRequest) -> Address:
    if body.kind == "web":
        if body.subscription is None:
            raise invalid(
                "subscription_missing", "/subscription", "A device of kind web has a subscription."
            )
        return WebAddress(body.subscription.endpoint, body.subscription.keys)
    if not body.token:
        raise invalid("token_missing", "/token", f"A device of kind {body.kind} has a token.")
    return ApnsAddress(body.token) if body.kind == "apns" else FcmAddress(body.token)


ROUTES = [push_key, register, list_devices, forget, list_pushes, send_test_push]
