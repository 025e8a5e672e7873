"""Apple's push service, played by the letter."""

import msgspec
import pytest

from services.gateway.push.notification.address import ApnsAddress
from services.gateway.push.notification.outcome import InvalidAddress, Rejection, Retry, Success
from tests.kit.fakes.push_services import header, message


async def test_apple_is_told_all_it_wants_to_know(outside, providers, clock):
    token, sent = outside.services.apple.install(), message(clock())
    await providers.send(ApnsAddress(token), sent)
    await providers.send(ApnsAddress(token), message(clock(), push_class="withdrawn"))
    alert, background = outside.services.taken
    names = ("apns-id", "apns-collapse-id", "apns-push-type", "apns-priority", "apns-expiration")
    assert list(header(alert, *names).values()) == [
        sent.push,
        sent.task,
        "alert",
        "10",
        str(int(sent.expires_at.timestamp())),
    ]
    assert list(header(background, *names).values())[1:4] == [sent.task, "background", "5"]
    shown = msgspec.json.decode(alert.request.body)
    assert shown["errand"]["task"] == sent.task
    assert shown["aps"]["interruption-level"] == "time-sensitive"
    assert shown["aps"]["alert"] == {"title": sent.headline, "body": sent.text}


async def test_apples_token_is_used_for_an_hour_at_most_and_never_changed_too_soon(
    outside, providers, clock
):
    address = ApnsAddress(outside.services.apple.install())
    for minutes in (0, 30, 19, 2, 45, 10):  # 0, 30, 49, 51, 96, 106
        clock.move(minutes=minutes)
        outcome = await providers.send(address, message(clock()))
        assert isinstance(outcome, Success), outcome
    assert outside.services.apple.provider_tokens == 3


async def test_a_doubted_token_is_made_again_when_that_is_allowed(outside, providers, clock):
    address = ApnsAddress(outside.services.apple.install())
    for minutes, tokens in ((0, 1), (5, 1), (20, 2)):
        clock.move(minutes=minutes)
        outside.order("apns", status=403, reason="ExpiredProviderToken")
        assert isinstance(await providers.send(address, message(clock())), Retry)
        assert isinstance(await providers.send(address, message(clock())), Success)
        assert outside.services.apple.provider_tokens == tokens


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadDeviceToken", InvalidAddress),
        (410, "Unregistered", InvalidAddress),
        (410, "ExpiredToken", InvalidAddress),
        (400, "DeviceTokenNotForTopic", Rejection),
        (403, "InvalidProviderToken", Retry),
        (403, "BadCertificate", Rejection),
    ],
)
async def test_apples_reasons_are_understood(outside, providers, clock, status, reason, kind):
    outside.order("apns", status=status, reason=reason)
    outcome = await providers.send(ApnsAddress("ab" * 32), message(clock()))
    assert (type(outcome), outcome.reason) == (kind, reason)


async def test_an_app_that_was_removed_is_dead(outside, providers, clock):
    token = outside.services.apple.install()
    outside.services.apple.remove(token)
    assert isinstance(await providers.send(ApnsAddress(token), message(clock())), InvalidAddress)
