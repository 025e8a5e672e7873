"""Access tokens and tickets: nothing that we did not sign, as what we signed it, gets through."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from events import AccountId, PersonId
from infra.runtime.settings import Misconfigured
from infra.stores.encryption import DecryptionError
from services.gateway.accounts.encryption import AesCipher
from services.gateway.accounts.secrets import derive, name_of, read_secrets
from services.gateway.accounts.token_signing import ACCESS_SECONDS, TICKET_SECONDS, TokenSigner
from services.gateway.accounts.tokens import is_key, new_key, successor
from services.gateway.tasks.access import Principal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADA = (AccountId("acc_a"), PersonId("per_a"), "ses_a")
OLD, NEW = "the old secret of this server", "the new secret of this server"
ISSUER = "https://errand.example"


def counted(n):
    return bytes(range(n))


def signing(*secrets, issuer=ISSUER):
    return TokenSigner(secrets or (NEW,), issuer=issuer, entropy=counted)


def public_bytes(secret):
    key = Ed25519PrivateKey.from_private_bytes(derive(secret, "access")).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**changes):
    stamp = int(NOON.timestamp())
    known = {
        "iss": ISSUER, "aud": "errand:access", "acc": "acc_a", "sub": "per_a", "sid": "ses_a",
        "iat": stamp, "exp": stamp + 600, "jti": "jti_x",
    }  # fmt: skip
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


def forged(key, algorithm, **changes):
    headers = {"typ": "at+jwt", "kid": name_of(derive(NEW, "access"))}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def ours(**changes):
    return forged(Ed25519PrivateKey.from_private_bytes(derive(NEW, "access")), "EdDSA", **changes)


def part(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def test_a_token_says_whose_it_is_until_it_ends():
    token = signing().access(*ADA, now=NOON)
    read = signing().read_access(token.text, now=NOON + timedelta(seconds=ACCESS_SECONDS - 1))
    assert read is not None
    assert (read.acc, read.sub, read.sid) == ADA
    assert read.expires_at == token.expires_at == NOON + timedelta(minutes=10)
    assert signing().read_access(token.text, now=token.expires_at) is None


def test_the_claims_forged_below_would_be_right_if_we_had_signed_them():
    assert signing().read_access(ours(), now=NOON) is not None


def test_no_algorithm_but_ours_is_taken():
    header = {"alg": "none", "typ": "at+jwt", "kid": name_of(derive(NEW, "access"))}
    unsigned = f"{part(header)}.{part(claims())}."
    public = public_bytes(NEW)
    mac_header = {**header, "alg": "HS256"}  # the public key, taken for a shared secret
    content = f"{part(mac_header)}.{part(claims())}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, content.encode(), sha256)).decode()
    confused = f"{content}.{mac.rstrip('=')}"
    rsa = forged(generate_private_key(65537, 2048), "RS256")
    for token in (unsigned, unsigned[:-1], confused, rsa):
        assert signing().read_access(token, now=NOON) is None


def test_a_key_that_the_token_brings_along_is_not_used():
    theirs = Ed25519PrivateKey.generate()
    raw = theirs.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    for kid in (name_of(derive(NEW, "access")), "theirs", None):
        headers = {"typ": "at+jwt", "jwk": jwk} | ({"kid": kid} if kid else {})
        token = jwt.encode(claims(), theirs, algorithm="EdDSA", headers=headers)
        assert signing().read_access(token, now=NOON) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "errand:stream"},
        {"aud": ["errand:access", "errand:stream"]},
        {"aud": None},
        {"iss": "https://other.example"},
        {"iss": None},
        {"exp": None},
        {"exp": int(NOON.timestamp())},
        {"sid": None},
        {"sub": 7},
        {"acc": None},
        {"jti": None},
    ],
)
def test_a_claim_that_is_missing_or_another_is_refused(changes):
    assert signing().read_access(ours(**changes), now=NOON) is None


def test_a_ticket_is_no_access_token_and_the_other_way_round():
    token = signing().access(*ADA, now=NOON).text
    ticket = signing().ticket(Principal(*ADA), now=NOON).text
    assert signing().read_ticket(token, now=NOON) is None
    assert signing().read_access(ticket, now=NOON) is None
    assert signing().read_ticket(ticket, now=NOON) is not None
    late = NOON + timedelta(seconds=TICKET_SECONDS)
    assert signing().read_ticket(ticket, now=late) is None


def test_a_ticket_knows_when_the_credential_it_was_bought_with_ends():
    end = NOON + timedelta(minutes=3)
    ticket = signing().ticket(Principal(*ADA, end), now=NOON).text
    read = signing().read_ticket(ticket, now=NOON)
    assert read is not None
    assert read.until_at == end


def test_secrets_rotate():
    before, during, after = signing(OLD), signing(NEW, OLD), signing(NEW)
    old, new = before.access(*ADA, now=NOON).text, during.access(*ADA, now=NOON).text
    assert during.read_access(old, now=NOON)
    assert after.read_access(new, now=NOON)
    assert after.read_access(old, now=NOON) is None
    assert before.read_access(new, now=NOON) is None


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "....", "é.é.é", "\0", "e30.e30.e30"])
def test_what_is_no_token_at_all_is_nobodys(token):
    assert signing().read_access(token, now=NOON) is None
    assert signing().read_ticket(token, now=NOON) is None


def test_what_is_sealed_opens_only_where_it_belongs():
    old, new = AesCipher([OLD], counted), AesCipher([NEW, OLD], counted)
    sealed = old.seal(b"gho_secret", context="identity|acc_a")
    assert b"gho_secret" not in sealed
    assert new.open(sealed, context="identity|acc_a") == b"gho_secret"
    for sealer, text, context in [
        (new, sealed, "identity|acc_b"),
        (AesCipher([NEW], counted), sealed, "identity|acc_a"),
        (old, sealed[:-1] + bytes([sealed[-1] ^ 1]), "identity|acc_a"),
        (old, b"\x02" + sealed[1:], "identity|acc_a"),
        (old, b"", "identity|acc_a"),
    ]:
        with pytest.raises(DecryptionError):
            sealer.open(text, context=context)


def test_keys_of_different_purposes_differ():
    assert len({derive(NEW, "access"), derive(NEW, "sealing"), derive(OLD, "access")}) == 3


@pytest.mark.parametrize("text", ["", " , ", "short", f"{NEW},short"])
def test_weak_or_missing_secrets_are_refused(text):
    with pytest.raises(Misconfigured, match="ACCOUNT_SECRETS") as refusal:
        read_secrets(text)
    assert NEW not in str(refusal.value)


def test_an_api_key_is_known_by_its_spelling():
    key = new_key("test", lambda n: bytes(range(70, 70 + n)))
    assert key.startswith("errand_test_")
    assert len(key) == len("errand_test_") + 36
    assert is_key(key)
    flipped = key[:-1] + ("0" if key[-1] != "0" else "1")
    for wrong in (flipped, key[:-1], key + "0", key.replace("errand", "other"), "errand_test_"):
        assert not is_key(wrong)


def test_an_api_key_is_made_of_unbiased_bytes_only():
    given = iter([b"\xff" * 30, bytes(range(30))])
    assert new_key("test", lambda _: next(given))[12:42] == "0123456789ABCDEFGHIJKLMNOPQRST"


def test_a_successor_is_the_same_each_time_and_another_for_another_secret():
    assert successor("t", OLD) == successor("t", OLD)
    assert len({successor("t", OLD), successor("t", NEW), successor("u", OLD)}) == 3
