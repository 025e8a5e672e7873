"""Firebase Cloud Messaging, played by the letter."""

import asyncio
import dataclasses

import msgspec
import pytest

from services.gateway.push.assembly import open_providers
from services.gateway.push.notification.address import FcmAddress
from services.gateway.push.notification.outcome import InvalidAddress, Rejection, Retry, Success
from tests.kit.fakes.push_services import message


async def test_google_is_told_all_it_wants_to_know(outside, providers, clock):
    token, sent = outside.services.google.install(), message(clock())
    await providers.send(FcmAddress(token), sent)
    await providers.send(FcmAddress(token), message(clock(), push_class="withdrawn"))
    alert, quiet = (msgspec.json.decode(t.request.body)["message"] for t in outside.services.taken)
    assert alert["data"]["task"] == sent.task
    assert alert["notification"] == {"title": sent.headline, "body": sent.text}
    assert alert["android"]["priority"] == "HIGH"
    assert alert["android"]["collapse_key"] == quiet["android"]["collapse_key"] == sent.task
    assert "notification" not in quiet


async def test_googles_token_is_asked_for_once_and_renewed_before_its_end(
    outside, providers, clock
):
    address = FcmAddress(outside.services.google.install())

    async def sent():
        assert isinstance(await providers.send(address, message(clock())), Success)

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(sent())
    assert outside.services.google.grants == 1
    clock.move(minutes=59)
    await sent()
    assert outside.services.google.grants == 2


async def test_a_token_google_no_longer_honours_is_replaced(outside, providers, clock):
    address = FcmAddress(outside.services.google.install())
    await providers.send(address, message(clock()))
    outside.services.google.revoke()
    assert isinstance(await providers.send(address, message(clock())), Retry)
    assert isinstance(await providers.send(address, message(clock())), Success)
    assert outside.services.google.grants == 2


@pytest.mark.parametrize(("status", "reason"), [(400, "invalid_grant"), (503, ""), (200, "{}")])
async def test_no_token_from_google_means_later(outside, providers, clock, status, reason):
    outside.order("oauth", status=status, reason=reason)
    address = FcmAddress(outside.services.google.install())
    assert isinstance(await providers.send(address, message(clock())), Retry)
    assert outside.services.asked["fcm"] == 0


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "UNREGISTERED", InvalidAddress),
        (400, "INVALID_ARGUMENT", Rejection),
        (403, "SENDER_ID_MISMATCH", Rejection),
        (429, "QUOTA_EXCEEDED", Retry),
    ],
)
async def test_googles_codes_are_understood(outside, providers, clock, status, code, kind):
    outside.order("fcm", status=status, reason=code)
    address = FcmAddress(outside.services.google.install())
    outcome = await providers.send(address, message(clock()))
    assert isinstance(outcome, kind)
    assert outcome.reason.startswith(code)


async def test_a_wrong_address_of_fcm_kills_no_device(outside, providers, clock):
    settings = dataclasses.replace(outside.settings, fcm_url=f"{outside.origin}/nowhere")
    async with open_providers(settings, clock) as lost:
        outcome = await lost.send(FcmAddress("x" * 40), message(clock()))
    assert outcome == Rejection(404, "")
