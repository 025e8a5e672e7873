"""The three ways out, against push services that refuse what the real ones refuse."""

import asyncio

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from infra.settings import Misconfigured
from services.gateway.push.address import ApnsAddress, FcmAddress, WebAddress, WebKeys
from services.gateway.push.outcome import Accepted, Again, Dead, Declined
from services.gateway.push.settings import PushSettings
from services.gateway.push.web import Vapid, encrypted
from services.gateway.push.wiring import carried
from tests.support.push import (
    VAPID_KEY,
    Browser,
    MovableClock,
    header,
    message,
    push_world,
    unbase64url,
)


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
async def outside(tmp_path, clock):
    """Push services whose clock the test moves; and no gateway."""
    async with push_world(tmp_path, clock) as made:
        yield made


@pytest.fixture
async def carriers(outside, clock):
    async with carried(outside.settings, clock) as made:
        yield made


def web_address(browser):
    keys = browser.subscription["keys"]
    return WebAddress(browser.endpoint, WebKeys(keys["p256dh"], keys["auth"]))


@pytest.fixture
def browser(outside, carriers):
    return outside.browser(carriers.web.vapid.public_key)


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


async def test_every_kind_is_taken_by_its_push_service(outside, carriers, device, clock):
    kind, address = device
    assert isinstance(await carriers.send(address, message(clock())), Accepted)
    withdrawal = message(clock(), push_class="withdrawn", headline="Nothing to do any more")
    assert isinstance(await carriers.send(address, withdrawal), Accepted)
    assert [taken.service for taken in outside.services.taken] == [kind, kind]


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Again), (500, Again), (503, Again), (400, Declined)]
)
async def test_an_unwilling_push_service_is_understood(
    outside, carriers, device, clock, status, kind
):
    service, address = device
    outside.order(service, status=status, reason="Busy", retry_after="17")
    outcome = await carriers.send(address, message(clock()))
    assert isinstance(outcome, kind)
    assert outcome.status == status
    assert "Busy" in outcome.reason
    if isinstance(outcome, Again):
        assert outcome.after_seconds == 17.0


async def test_a_lost_answer_may_be_asked_for_again(outside, carriers, device, clock):
    service, address = device
    outside.order(service, is_lost=True)
    outcome = await carriers.send(address, message(clock()))
    assert isinstance(outcome, Again)
    assert outcome.status == 0
    assert isinstance(await carriers.send(address, message(clock())), Accepted)
    first, second = outside.services.taken
    names = {"web": ["topic"], "apns": ["apns-id", "apns-collapse-id"], "fcm": []}[service]
    assert header(first, *names) == header(second, *names)


async def test_a_push_service_that_is_not_there_may_come_back(carriers, device, clock, outside):
    _, address = device
    settings = msgspec.structs.replace(
        outside.settings, apns_url="https://127.0.0.1:1", fcm_url="https://127.0.0.1:1"
    )
    async with carried(settings, clock) as elsewhere:
        if isinstance(address, WebAddress):
            hosts = elsewhere.web._replace(hosts=("127.0.0.1:1",))
            moved = WebAddress("https://127.0.0.1:1/wp/1", address.keys)
            outcome = await hosts.send(moved, message(clock()))
        else:
            outcome = await elsewhere.send(address, message(clock()))
    assert isinstance(outcome, Again)


async def test_a_server_that_nobody_vouches_for_is_told_nothing(outside, device, clock):
    _, address = device
    settings = msgspec.structs.replace(outside.settings, push_ca_file="")
    async with carried(settings, clock) as unaware:
        outcome = await unaware.send(address, message(clock()))
    assert isinstance(outcome, Again)
    assert set(outside.services.asked.values()) == {0}


# Web Push


async def test_a_browser_reads_ids_and_a_title_and_knows_what_to_open(
    outside, carriers, browser, clock
):
    sent = message(clock())
    await carriers.send(web_address(browser), sent)
    [read] = outside.to(browser)
    assert read == {
        "web_push": 8030,
        "notification": {
            "title": "A question for you",
            "body": "Mend the parser",
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
    outside, carriers, browser, clock
):
    await carriers.send(web_address(browser), message(clock(), push_class="withdrawn"))
    [read] = outside.to(browser)
    assert read["mutable"]
    assert read["notification"]["silent"]
    assert read["notification"]["tag"] == message(clock()).task


async def test_a_subscription_that_ended_is_dead(outside, carriers, browser, clock):
    address = web_address(browser)
    outside.services.browsers.unsubscribe(browser.endpoint.removeprefix(outside.origin))
    assert isinstance(await carriers.send(address, message(clock())), Dead)
    unknown = WebAddress(f"{outside.origin}/wp/unknown", address.keys)
    assert isinstance(await carriers.send(unknown, message(clock())), Dead)


async def test_a_push_service_taken_off_the_list_is_not_called(outside, carriers, browser, clock):
    narrowed = carriers.web._replace(hosts=("push.example",))
    assert isinstance(await narrowed.send(web_address(browser), message(clock())), Dead)
    assert outside.services.asked["web"] == 0


async def test_a_redirect_is_not_followed(outside, carriers, browser, clock):
    outside.order("web", status=307)
    outcome = await carriers.send(web_address(browser), message(clock()))
    assert outcome == Declined(307, "")
    assert outside.services.asked["web"] == 1


async def test_one_vapid_token_serves_for_hours_and_is_renewed_in_time(
    outside, carriers, browser, clock
):
    for hours in (0, 10, 2):
        clock.move(hours=hours)
        outcome = await carriers.send(web_address(browser), message(clock()))
        assert isinstance(outcome, Accepted), outcome
    first, second, third = (t.request.headers["authorization"] for t in outside.services.taken)
    assert first == second != third


async def test_a_subscription_of_another_house_is_refused(outside, carriers, clock):
    browser = outside.browser(Vapid("A" * 42 + "c", "mailto:eve@example.com", clock).public_key)
    outcome = await carriers.send(web_address(browser), message(clock()))
    assert isinstance(outcome, Declined)
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


# APNs


async def test_apple_is_told_all_it_wants_to_know(outside, carriers, clock):
    token, sent = outside.services.apple.install(), message(clock())
    await carriers.send(ApnsAddress(token), sent)
    await carriers.send(ApnsAddress(token), message(clock(), push_class="withdrawn"))
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
    outside, carriers, clock
):
    address = ApnsAddress(outside.services.apple.install())
    for minutes in (0, 30, 19, 2, 45, 10):  # 0, 30, 49, 51, 96, 106
        clock.move(minutes=minutes)
        outcome = await carriers.send(address, message(clock()))
        assert isinstance(outcome, Accepted), outcome
    assert outside.services.apple.provider_tokens == 3


async def test_a_doubted_token_is_made_anew_when_that_is_allowed(outside, carriers, clock):
    address = ApnsAddress(outside.services.apple.install())
    for minutes, tokens in ((0, 1), (5, 1), (20, 2)):
        clock.move(minutes=minutes)
        outside.order("apns", status=403, reason="ExpiredProviderToken")
        assert isinstance(await carriers.send(address, message(clock())), Again)
        assert isinstance(await carriers.send(address, message(clock())), Accepted)
        assert outside.services.apple.provider_tokens == tokens


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadDeviceToken", Dead),
        (410, "Unregistered", Dead),
        (410, "ExpiredToken", Dead),
        (400, "DeviceTokenNotForTopic", Declined),
        (403, "InvalidProviderToken", Again),
        (403, "BadCertificate", Declined),
    ],
)
async def test_apples_reasons_are_understood(outside, carriers, clock, status, reason, kind):
    outside.order("apns", status=status, reason=reason)
    outcome = await carriers.send(ApnsAddress("ab" * 32), message(clock()))
    assert (type(outcome), outcome.reason) == (kind, reason)


async def test_an_app_that_was_removed_is_dead(outside, carriers, clock):
    token = outside.services.apple.install()
    outside.services.apple.remove(token)
    assert isinstance(await carriers.send(ApnsAddress(token), message(clock())), Dead)


# FCM


async def test_google_is_told_all_it_wants_to_know(outside, carriers, clock):
    token, sent = outside.services.google.install(), message(clock())
    await carriers.send(FcmAddress(token), sent)
    await carriers.send(FcmAddress(token), message(clock(), push_class="withdrawn"))
    alert, quiet = (msgspec.json.decode(t.request.body)["message"] for t in outside.services.taken)
    assert alert["data"]["task"] == sent.task
    assert alert["notification"] == {"title": sent.headline, "body": sent.text}
    assert alert["android"]["priority"] == "HIGH"
    assert alert["android"]["collapse_key"] == quiet["android"]["collapse_key"] == sent.task
    assert "notification" not in quiet


async def test_googles_token_is_asked_for_once_and_renewed_before_its_end(outside, carriers, clock):
    address = FcmAddress(outside.services.google.install())

    async def sent():
        assert isinstance(await carriers.send(address, message(clock())), Accepted)

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(sent())
    assert outside.services.google.grants == 1
    clock.move(minutes=59)
    await sent()
    assert outside.services.google.grants == 2


async def test_a_token_google_no_longer_honours_is_replaced(outside, carriers, clock):
    address = FcmAddress(outside.services.google.install())
    await carriers.send(address, message(clock()))
    outside.services.google.revoke()
    assert isinstance(await carriers.send(address, message(clock())), Again)
    assert isinstance(await carriers.send(address, message(clock())), Accepted)
    assert outside.services.google.grants == 2


@pytest.mark.parametrize(("status", "reason"), [(400, "invalid_grant"), (503, ""), (200, "{}")])
async def test_no_token_from_google_means_later(outside, carriers, clock, status, reason):
    outside.order("oauth", status=status, reason=reason)
    address = FcmAddress(outside.services.google.install())
    assert isinstance(await carriers.send(address, message(clock())), Again)
    assert outside.services.asked["fcm"] == 0


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "UNREGISTERED", Dead),
        (400, "INVALID_ARGUMENT", Declined),
        (403, "SENDER_ID_MISMATCH", Declined),
        (429, "QUOTA_EXCEEDED", Again),
    ],
)
async def test_googles_codes_are_understood(outside, carriers, clock, status, code, kind):
    outside.order("fcm", status=status, reason=code)
    address = FcmAddress(outside.services.google.install())
    outcome = await carriers.send(address, message(clock()))
    assert isinstance(outcome, kind)
    assert outcome.reason.startswith(code)


async def test_a_wrong_address_of_fcm_kills_no_device(outside, carriers, clock):
    settings = msgspec.structs.replace(outside.settings, fcm_url=f"{outside.origin}/nowhere")
    async with carried(settings, clock) as lost:
        outcome = await lost.send(FcmAddress("x" * 40), message(clock()))
    assert outcome == Declined(404, "")


# What holds for all


async def test_no_secret_of_the_house_is_shown(outside, carriers):
    account = msgspec.json.decode(
        outside.services.google.service_account(outside.origin), type=dict
    )
    shown = f"{carriers!r} {carriers.fcm.__dict__!r} {carriers.web.vapid.__dict__!r}"
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
    settings = msgspec.structs.replace(outside.settings, **changes)
    with pytest.raises(Misconfigured) as misconfigured:
        async with carried(settings, clock):
            pass
    [name] = changes
    assert name.upper() in str(misconfigured.value)
    assert "c2VjcmV0" not in str(misconfigured.value)


async def test_without_settings_nothing_is_sent(clock):
    async with carried(PushSettings(), clock) as none:
        assert none.kinds == ()
        assert isinstance(await none.send(ApnsAddress("ab" * 32), message(clock())), Declined)
