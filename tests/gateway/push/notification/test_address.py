"""The addresses a device may have: no servers."""

import pytest

from services.gateway.problems import Refused
from services.gateway.push.notification.address import (
    ApnsAddress,
    FcmAddress,
    WebAddress,
    WebKeys,
    digest,
    encode_address,
    is_allowed,
    read,
    validate_address,
)
from tests.kit.fakes.push_services import Browser

HOSTS = ("push.example", "*.push.example.org", "127.0.0.1:4433")


def web(endpoint="https://push.example/x", **keys):
    known = Browser(endpoint).subscription["keys"]
    return WebAddress(endpoint, WebKeys(**{**known, **keys}))


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://push.example/send/abc",
        "https://PUSH.example:443/x",
        "https://eu.push.example.org/x",
        "https://127.0.0.1:4433/wp/1",
    ],
)
def test_a_listed_push_service_may_be_called(endpoint):
    assert is_allowed(endpoint, HOSTS)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example/x",
        "https://push.example:8443/x",
        "https://push.example:0/x",
        "https://push.example:99999/x",
        "https://evil.example/x",
        "https://push.example.evil.example/x",
        "https://evilpush.example/x",
        "https://push.example.org/x",
        "https://evilpush.example.org/x",
        "https://push.example@evil.example/x",
        "https://me:you@push.example/x",
        "https://evil.example#@push.example/",
        "https://evil.example\\@push.example/",
        "https://push.example/x#y",
        "https://push.example\t/x",
        "https://push.example /x",
        "https://push.example/\r\nHost: evil",
        "https://púsh.example/x",
        "https://169.254.169.254/latest",
        "https://127.0.0.1/wp/1",
        "https://[::1]:4433/",
        "https://2130706433:4433/",
        "//push.example/x",
        "push.example/x",
        "",
        "https://push.example/" + "x" * 3000,
    ],
)
def test_nothing_else_may_be(endpoint):
    assert not is_allowed(endpoint, HOSTS)
    with pytest.raises(Refused) as refused:
        validate_address(web(endpoint), HOSTS)
    assert refused.value.problem.code == "endpoint_refused"


@pytest.mark.parametrize(
    "keys",
    [
        {"auth": "short"},
        {"auth": "é" * 22},
        {"p256dh": "BNotAPoint"},
        {"p256dh": "B" + "A" * 86},
        {"p256dh": ""},
    ],
)
def test_keys_nobody_could_encrypt_for_are_refused(keys):
    with pytest.raises(Refused) as refused:
        validate_address(web(**keys), HOSTS)
    assert refused.value.problem.code == "subscription_invalid"


@pytest.mark.parametrize(
    "address", [ApnsAddress("xyz"), ApnsAddress("ab/../cd"), FcmAddress("no"), FcmAddress("a b")]
)
def test_tokens_of_no_push_service_are_refused(address):
    with pytest.raises(Refused) as refused:
        validate_address(address, HOSTS)
    assert refused.value.problem.code == "token_invalid"


def test_an_address_is_kept_as_it_is_and_known_by_what_names_it():
    one, same_place = web(), web()
    assert read(encode_address(one)) == one
    assert digest(one) == digest(same_place)
    assert digest(ApnsAddress("ab")) != digest(FcmAddress("ab"))
    assert validate_address(ApnsAddress("AB" * 32), HOSTS) == ApnsAddress("ab" * 32)
