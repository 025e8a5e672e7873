"""Laws of all three push providers."""

import dataclasses

import msgspec
import pytest

from infra.runtime.settings import Misconfigured
from services.gateway.push.assembly import open_providers
from services.gateway.push.notification.address import ApnsAddress, FcmAddress, WebAddress
from services.gateway.push.notification.outcome import Rejection, Retry, Success
from services.gateway.push.settings import PushSettings
from tests.kit.fakes.push_services import VAPID_KEY, header, message, push_world, web_address


@pytest.fixture(params=["web", "apns", "fcm"])
def device(request, outside, browser):
    """Kind and address of a device of each kind."""
    match request.param:
        case "web":
            return "web", web_address(browser)
        case "apns":
            return "apns", ApnsAddress(outside.services.apple.install())
        case _:
            return "fcm", FcmAddress(outside.services.google.install())


async def test_every_kind_is_taken_by_its_push_service(outside, providers, device, clock):
    kind, address = device
    assert isinstance(await providers.send(address, message(clock())), Success)
    withdrawal = message(clock(), push_class="withdrawn", headline="Nothing to do any more")
    assert isinstance(await providers.send(address, withdrawal), Success)
    assert [taken.service for taken in outside.services.taken] == [kind, kind]


@pytest.mark.parametrize("days", [-400, 400])
async def test_push_services_serve_whatever_their_clock_says(tmp_path, clock, days):
    """TLS is checked by the real time: a certificate of another day would be refused."""
    clock.move(days=days)
    async with (
        push_world(tmp_path, clock) as outside,
        open_providers(outside.settings, clock) as to,
    ):
        browser = outside.browser(to.web.vapid.public_key)
        assert isinstance(await to.send(web_address(browser), message(clock())), Success)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Retry), (500, Retry), (503, Retry), (400, Rejection)]
)
async def test_an_unwilling_push_service_is_understood(
    outside, providers, device, clock, status, kind
):
    service, address = device
    outside.order(service, status=status, reason="Busy", retry_after="17")
    outcome = await providers.send(address, message(clock()))
    assert isinstance(outcome, kind)
    assert outcome.status == status
    assert "Busy" in outcome.reason
    if isinstance(outcome, Retry):
        assert outcome.after_seconds == 17.0


async def test_a_lost_answer_may_be_asked_for_again(outside, providers, device, clock):
    service, address = device
    outside.order(service, is_lost=True)
    outcome = await providers.send(address, message(clock()))
    assert isinstance(outcome, Retry)
    assert outcome.status == 0
    assert isinstance(await providers.send(address, message(clock())), Success)
    first, second = outside.services.taken
    names = {"web": ["topic"], "apns": ["apns-id", "apns-collapse-id"], "fcm": []}[service]
    assert header(first, *names) == header(second, *names)


async def test_a_push_service_that_is_not_there_may_come_back(providers, device, clock, outside):
    _, address = device
    settings = dataclasses.replace(
        outside.settings, apns_url="https://127.0.0.1:1", fcm_url="https://127.0.0.1:1"
    )
    async with open_providers(settings, clock) as elsewhere:
        if isinstance(address, WebAddress):
            hosts = elsewhere.web._replace(hosts=("127.0.0.1:1",))
            moved = WebAddress("https://127.0.0.1:1/wp/1", address.keys)
            outcome = await hosts.send(moved, message(clock()))
        else:
            outcome = await elsewhere.send(address, message(clock()))
    assert isinstance(outcome, Retry)


async def test_a_server_that_nobody_vouches_for_is_told_nothing(outside, device, clock):
    _, address = device
    settings = dataclasses.replace(outside.settings, push_ca_file="")
    async with open_providers(settings, clock) as unaware:
        outcome = await unaware.send(address, message(clock()))
    assert isinstance(outcome, Retry)
    assert set(outside.services.asked.values()) == {0}


async def test_no_secret_of_the_server_is_shown(outside, providers):
    account = msgspec.json.decode(
        outside.services.google.service_account(outside.origin), type=dict
    )
    shown = f"{providers!r} {providers.fcm.__dict__!r} {providers.web.vapid.__dict__!r}"
    assert VAPID_KEY not in shown
    assert account["private_key"] not in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"vapid_private_key": "c2VjcmV0"},
        {"vapid_private_key": "A" * 43},
        {"vapid_contact": "ada"},
        {"apns_key_id": ""},
        {"apns_key": "/nonexistent"},
        {"fcm_service_account": ""},
        {"push_ca_file": "/nonexistent"},
        {"web_push_hosts": "https://push.example"},
    ],
)
async def test_settings_that_make_no_sense_are_named_and_not_told(outside, clock, changes):
    settings = dataclasses.replace(outside.settings, **changes)
    with pytest.raises(Misconfigured) as misconfigured:
        async with open_providers(settings, clock):
            pass
    [name] = changes
    assert name.upper() in str(misconfigured.value)
    assert "c2VjcmV0" not in str(misconfigured.value)


async def test_without_settings_nothing_is_sent(clock):
    async with open_providers(PushSettings(), clock) as none:
        assert none.kinds == ()
        assert isinstance(await none.send(ApnsAddress("ab" * 32), message(clock())), Rejection)
