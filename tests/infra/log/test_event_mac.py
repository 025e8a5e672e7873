"""Proof of who wrote an event: what verifies, and everything that must not."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import BudgetRaised, TaskCancelled, TaskErased, ToolInterrupted, event_subject
from events.codec import decode, encode
from infra.log.event_key_settings import event_keys
from infra.log.event_mac import (
    HEADER,
    NO_KEYS,
    EventKeys,
    InvalidKeys,
    NoKey,
    format_key,
    header_block,
    read_keys,
    read_mac,
)
from infra.runtime.clock import DraftFactory, utc_now
from infra.runtime.settings import Misconfigured
from tests.kit.build.event_logs import new_history
from tests.kit.build.signing_keys import KEYS_TEXT

KEYS = read_keys(KEYS_TEXT)
HISTORY = new_history()
SUBJECT = event_subject(HISTORY)


def stored(fact, *, version=3, sequence=9):
    [draft] = DraftFactory(utc_now).drafts([fact], by="person:per_1")
    return decode(HISTORY, sequence, encode(HISTORY, version, draft))


def signed(recorded, *, keys=KEYS, writer="gateway", subject=SUBJECT, version=3):
    return keys.sign(writer, subject, version, recorded.body)


def objection(recorded, headers, *, keys=KEYS, subject=SUBJECT):
    return keys.objection(subject, recorded, headers)


def test_the_mac_is_hmac_sha256_over_domain_subject_version_and_digest():
    secret = bytes(range(32))
    keys = EventKeys([("gateway", "k-1", secret)])
    said = b"errand event 1\ngateway\nk-1\nevents.a.t\n12\n" + sha256(b"{}").digest()
    mac = urlsafe_b64encode(hmac.digest(secret, said, "sha256")).decode().rstrip("=")
    assert keys.sign("gateway", "events.a.t", 12, b"{}") == f"1.gateway.k-1.{mac}"


def test_what_its_writer_signed_is_proven_and_a_workers_types_need_no_proof():
    event = stored(BudgetRaised(cost_microusd=5))
    assert objection(event, header_block(signed(event))) == ""
    assert objection(stored(ToolInterrupted(call="c", reason="r")), b"") == ""


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (lambda e: b"", "carries no"),
        (lambda e: header_block(signed(e)[:-1]), "malformed"),
        (lambda e: header_block(signed(e) + "A"), "malformed"),
        (lambda e: header_block("1.gateway.1." + "é" * 43), "malformed"),
        (lambda e: header_block("2" + signed(e)[1:]), "malformed"),
        (lambda e: header_block(signed(e, writer="scheduler")), "is of scheduler"),
        (lambda e: header_block(signed(e).replace(".1.", ".2.")), "key that is not known"),
        (lambda e: header_block(signed(e, version=4)), "does not fit"),
        (lambda e: header_block(signed(e, subject=SUBJECT + "x")), "does not fit"),
        (lambda e: header_block(signed(stored(TaskCancelled()))), "does not fit"),
        (lambda e: header_block(signed(e)).replace(HEADER.encode(), b"errand-mac"), "carries no"),
        (
            lambda e: header_block(signed(e))[:-2] + f"{HEADER}: {signed(e)}\r\n\r\n".encode(),
            "more than one",
        ),
    ],
)
def test_nothing_else_is_proven(headers, reason):
    event = stored(BudgetRaised(cost_microusd=5))
    assert reason in objection(event, headers(event))


@given(st.integers(0, 300), st.integers(1, 255))
def test_a_body_of_which_one_byte_was_changed_is_not_proven(place, change):
    event = stored(BudgetRaised(cost_microusd=5))
    block = header_block(signed(event))
    place %= len(event.body)
    body = bytearray(event.body)
    body[place] ^= change
    mac = read_mac(block)
    assert KEYS.mac_objection(mac, SUBJECT, 3, sha256(body).digest())


@given(st.binary(max_size=400))
def test_any_header_block_is_judged(block):
    assert objection(stored(TaskErased(reason="x")), b"NATS/1.0\r\n" + block)


def test_a_writer_without_keys_signs_nothing_and_proves_nothing():
    event = stored(BudgetRaised(cost_microusd=5))
    with pytest.raises(NoKey, match="EVENT_KEYS"):
        NO_KEYS.sign("gateway", SUBJECT, 1, b"")
    assert objection(event, header_block(signed(event)), keys=NO_KEYS)


def test_what_was_stored_before_there_were_keys_is_taken_as_it_is():
    keys = read_keys(KEYS_TEXT, unsigned_up_to=9)
    assert objection(stored(TaskCancelled(), sequence=9), b"", keys=keys) == ""
    assert objection(stored(TaskCancelled(), sequence=10), b"", keys=keys)


def test_while_a_key_is_rotated_the_last_signs_and_all_verify():
    new = format_key("gateway", "2026-11", b"n" * 32)
    rotated = read_keys(f"{KEYS_TEXT} {new}")
    event = stored(TaskCancelled())
    assert signed(event, keys=rotated).startswith("1.gateway.2026-11.")
    for keys in (KEYS, rotated):
        assert objection(event, header_block(signed(event, keys=keys)), keys=rotated) == ""
    assert "not known" in objection(event, header_block(signed(event, keys=rotated)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no key of gateway"),
        (KEYS_TEXT.rpartition(" ")[0], "no key of operator"),
        (f"{KEYS_TEXT} worker:1:{'A' * 43}", "key 4 begins with none of"),
        (f"{KEYS_TEXT} gateway:a.b:{'A' * 43}", "key 4 has no id"),
        (f"{KEYS_TEXT} gateway:2:{'A' * 40}", "gateway:2, is not 32 bytes"),
        (f"{KEYS_TEXT} gateway:2:===", "gateway:2, is not 32 bytes"),
        (f"{KEYS_TEXT} {format_key('gateway', '1', b'x' * 32)}", "1 of gateway stands there twice"),
        (f"{KEYS_TEXT} {format_key('gateway', '2', bytes(32))}", "a key stands there twice"),
    ],
)
def test_a_malformed_setting_is_refused_in_words_and_without_a_key(text, reason):
    with pytest.raises((InvalidKeys, Misconfigured)) as refused:
        event_keys({"EVENT_KEYS": text, "EVENTS_UNSIGNED_UP_TO": "0"})
    if text:
        assert reason in str(refused.value)
    assert "AAAA" not in str(refused.value)


def test_no_key_is_in_what_is_printed_of_the_keys():
    assert repr(KEYS) == "EventKeys(['gateway:1', 'scheduler:1', 'operator:1'])"
