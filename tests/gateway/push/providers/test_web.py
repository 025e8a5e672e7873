"""Web Push, against a push service that refuses what the RFCs let it refuse."""

from cryptography.hazmat.primitives.asymmetric import ec

from services.gateway.push.notification.address import WebAddress
from services.gateway.push.notification.outcome import InvalidAddress, Rejection, Success
from services.gateway.push.providers.web import Vapid, encrypted
from tests.kit.fakes.push_services import Browser, header, message, unbase64url, web_address


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
            },
        },
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
    assert read["mutable"]
    assert read["notification"]["silent"]
    assert read["notification"]["tag"] == message(clock()).task


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
