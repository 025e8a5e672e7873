"""Web Push, against a push service that refuses what the RFCs let it refuse."""

import dataclasses
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from infra.runtime.settings import Misconfigured
from infra.simulators.push.http2 import Request
from services.gateway.push.assembly import open_providers
from services.gateway.push.notification.address import WebAddress
from services.gateway.push.notification.message import DELIVERY_OPTIONS
from services.gateway.push.notification.outcome import InvalidAddress, Rejection, Success
from services.gateway.push.providers.web import Vapid, encrypted
from tests.kit.fakes.push_services import (
    VAPID_KEY,
    Browser,
    header,
    message,
    unbase64url,
    web_address,
)

CONTACTS_OF_NOBODY = [
    "ada@example.com",
    "mailto:ada",
    "mailto:ada@localhost",
    "mailto:ada@errand.local",
    "mailto:ada@errand.invalid",
    "mailto: ada@example.com",
    "mailto:<ada@example.com>",
    "https://localhost",
    "https://gateway:8443/",
    "https://127.0.0.1/",
    "http://errand.dev",
]


async def test_a_browser_reads_ids_and_a_title_and_knows_what_to_open(
    outside, providers, browser, clock
):
    sent = message(clock())
    await providers.send(web_address(browser), sent)
    [read] = outside.to(browser)
    assert read == {
        "web_push": 8030,
        "notification": {
            "title": "A question for you",
            "body": "Fix the parser",
            "navigate": sent.url,
            "tag": sent.task,
            "data": {
                "push": sent.push,
                "class": "needs_input",
                "task": sent.task,
                "version": "7",
                "kind": "question",
                "request": "req_1",
                "replaces": sent.task,
            },
            "mutable": True,
            "app_badge": 3,
        },
        "mutable": True,
        "app_badge": 3,
    }
    [taken] = outside.services.taken
    assert header(taken, "ttl", "urgency", "topic") == {
        "ttl": "86400",
        "urgency": "high",
        "topic": sent.task,
    }


async def test_a_withdrawal_replaces_what_is_shown_without_a_sound(
    outside, providers, browser, clock
):
    await providers.send(web_address(browser), message(clock(), push_class="withdrawn"))
    [read] = outside.to(browser)
    assert read["notification"]["silent"]
    assert read["notification"]["data"]["replaces"] == read["notification"]["tag"]
    assert read["notification"]["tag"] == message(clock()).task


async def test_a_badge_that_is_not_known_is_left_as_it_is(outside, providers, browser, clock):
    await providers.send(web_address(browser), message(clock(), badge=None))
    [read] = outside.to(browser)
    assert "app_badge" not in read
    assert "app_badge" not in read["notification"]


@pytest.mark.usefixtures("apple_is_here")
async def test_apples_push_service_takes_every_class_and_nothing_is_silent_there(
    outside, providers, clock
):
    browser = outside.apple_browser(providers.web.vapid.public_key)
    for push_class in DELIVERY_OPTIONS:
        sent = message(clock(), push_class=push_class)
        assert isinstance(await providers.send(web_address(browser), sent), Success)
    shown = [read["notification"] for read in outside.to(browser)]
    assert [each["data"]["class"] for each in shown] == list(DELIVERY_OPTIONS)
    assert not any("silent" in each for each in shown)


@pytest.mark.usefixtures("apple_is_here")
@pytest.mark.parametrize("contact", CONTACTS_OF_NOBODY)
async def test_a_contact_that_apple_refuses_is_refused_at_start_with_cause_and_remedy(
    outside, providers, clock, contact
):
    vapid = Vapid(VAPID_KEY, contact, clock)
    browser = outside.apple_browser(vapid.public_key)
    outcome = await providers.web._replace(vapid=vapid).send(web_address(browser), message(clock()))
    assert outcome == Rejection(403, '{"reason":"BadJwtToken"}')
    settings = dataclasses.replace(outside.settings, vapid_contact=contact)
    with pytest.raises(Misconfigured, match=r"VAPID_CONTACT .* Set it to an address of yours"):
        async with open_providers(settings, clock):
            pass


@pytest.mark.parametrize(
    "contact",
    ["mailto:ada@example.com", "mailto:a.b+c@mail.errand.dev", "https://errand.dev/contact"],
)
async def test_a_contact_that_can_be_reached_is_taken(outside, clock, contact):
    settings = dataclasses.replace(outside.settings, vapid_contact=contact)
    async with open_providers(settings, clock) as opened:
        assert opened.kinds == ("web", "apns", "fcm")


async def test_a_push_service_refuses_what_is_not_encrypted_for_a_browser(outside, browser):
    url = outside.origin + urlsplit(browser.endpoint).path
    headers = {"TTL": "60", "Content-Encoding": "aes128gcm"}
    good = encrypted(b"{}", web_address(browser))
    request = Request("POST", urlsplit(url).path, outside.origin, {}, good)
    for body in (b"x" * 200, good[:20] + b"\x40" + good[21:], good[:21] + b"\x00" * 65 + good[86:]):
        vapid = Vapid(VAPID_KEY, "mailto:ada@example.com", outside.services.browsers._clock)
        asked = {name.lower(): text for name, text in headers.items()}
        asked["authorization"] = vapid.authorization(url)
        _, answer = outside.services.browsers.push(request._replace(headers=asked, body=body))
        assert answer.status == 400


async def test_a_subscription_that_ended_is_dead(outside, providers, browser, clock):
    address = web_address(browser)
    outside.services.browsers.unsubscribe(browser.endpoint.removeprefix(outside.origin))
    assert isinstance(await providers.send(address, message(clock())), InvalidAddress)
    unknown = WebAddress(f"{outside.origin}/wp/unknown", address.keys)
    assert isinstance(await providers.send(unknown, message(clock())), InvalidAddress)


async def test_a_push_service_taken_off_the_list_is_not_called(outside, providers, browser, clock):
    narrowed = providers.web._replace(hosts=("push.example",))
    assert isinstance(await narrowed.send(web_address(browser), message(clock())), InvalidAddress)
    assert outside.services.asked["web"] == 0


async def test_a_redirect_is_not_followed(outside, providers, browser, clock):
    outside.order("web", status=307)
    outcome = await providers.send(web_address(browser), message(clock()))
    assert outcome == Rejection(307, "")
    assert outside.services.asked["web"] == 1


async def test_one_vapid_token_serves_for_hours_and_is_renewed_in_time(
    outside, providers, browser, clock
):
    for hours in (0, 10, 2):
        clock.move(hours=hours)
        outcome = await providers.send(web_address(browser), message(clock()))
        assert isinstance(outcome, Success), outcome
    first, second, third = (t.request.headers["authorization"] for t in outside.services.taken)
    assert first == second != third


async def test_a_subscription_of_another_installation_is_refused(outside, providers, clock):
    browser = outside.browser(Vapid("A" * 42 + "c", "mailto:eve@example.com", clock).public_key)
    outcome = await providers.send(web_address(browser), message(clock()))
    assert isinstance(outcome, Rejection)
    assert outcome.status == 403


def test_the_encryption_can_be_read_by_the_letter_of_rfc_8291():
    browser = Browser("https://push.example/x")
    for content in (b"x", b"y" * 3000):
        assert browser.decrypt(encrypted(content, web_address(browser))) == content


def test_the_browser_of_the_tests_reads_the_example_of_rfc_8291():
    scalar = int.from_bytes(unbase64url("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
    key = ec.derive_private_key(scalar, ec.SECP256R1())
    browser = Browser("https://x", key, unbase64url("BTBZMqHH6r4Tts7J_aSIgg"))
    body = (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWA"
        "mS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSx"
        "sj_Qulcy4a-fN"
    )
    assert browser.decrypt(unbase64url(body)) == b"When I grow up, I want to be a watermelon"
