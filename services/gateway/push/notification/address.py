"""Push addresses of devices, and their validation. Pure.

A Web Push endpoint is a URL that a client names and this server then calls: only https, only hosts
on a list, no user, no fragment, and no redirect is followed (against server-side request forgery).
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from services.gateway.problems import invalid

Kind = Literal["web", "apns", "fcm"]

_MAX_ENDPOINT_CHARACTERS: Final = 2048
_UNCOMPRESSED: Final = b"\x04"
_SECRET_BYTES: Final = 16
_APPLE: Final = ".push.apple.com"
_HTTPS_PORT: Final = 443
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_APNS_TOKEN: Final = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")
_FCM_TOKEN: Final = re.compile(r"[A-Za-z0-9_:-]{32,4096}")


class WebKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a PushSubscription, base64url: its public key, and the secret it shares."""

    p256dh: str
    auth: str


class WebAddress(msgspec.Struct, frozen=True, tag_field="kind", tag="web"):
    """A browser's PushSubscription, in the form of its `toJSON`."""

    endpoint: str
    keys: WebKeys


class ApnsAddress(msgspec.Struct, frozen=True, tag_field="kind", tag="apns"):
    """An app's device token on Apple's push service, hexadecimal."""

    token: str


class FcmAddress(msgspec.Struct, frozen=True, tag_field="kind", tag="fcm"):
    """An app's registration token on Firebase Cloud Messaging."""

    token: str


Address = WebAddress | ApnsAddress | FcmAddress

_addresses: Final[msgspec.json.Decoder[Address]] = msgspec.json.Decoder(Address)


def kind_of(address: Address) -> Kind:
    """Return the kind of push service of an address."""
    match address:
        case WebAddress():
            return "web"
        case ApnsAddress():
            return "apns"
        case FcmAddress():
            return "fcm"


def encode_address(address: Address) -> bytes:
    """Encode an address for storage."""
    return msgspec.json.encode(address)


def read(stored: bytes) -> Address:
    """Decode a stored address."""
    return _addresses.decode(stored)


def digest(address: Address) -> bytes:
    """Return a digest that is the same for all registrations of one device."""
    named = address.endpoint if isinstance(address, WebAddress) else address.token
    return sha256(f"{kind_of(address)}\n{named}".encode()).digest()


def validate_address(address: Address, hosts: Sequence[str]) -> Address:
    """Return the address in normal form. Raises Refused (422) when it is invalid."""
    match address:
        case WebAddress(endpoint=endpoint, keys=keys):
            if not is_allowed(endpoint, hosts):
                raise invalid(
                    "endpoint_refused",
                    "/subscription/endpoint",
                    "The endpoint is not an https address of a push service this server knows. "
                    "Send the subscription as the browser gave it; an operator adds a push "
                    "service with WEB_PUSH_HOSTS.",
                )
            _require_keys(keys)
            return address
        case ApnsAddress(token=token):
            if not _APNS_TOKEN.fullmatch(token):
                raise invalid("token_invalid", "/token", "An APNs device token is hexadecimal.")
            return ApnsAddress(token.lower())
        case FcmAddress(token=token):
            if not _FCM_TOKEN.fullmatch(token):
                raise invalid("token_invalid", "/token", "This is not an FCM registration token.")
            return address


def is_allowed(endpoint: str, hosts: Sequence[str]) -> bool:
    """Return whether an endpoint may be called. `hosts`: `name`, `*.name`, either with `:port`."""
    if (
        len(endpoint) > _MAX_ENDPOINT_CHARACTERS
        or not endpoint.isascii()
        or not endpoint.isprintable()
    ):
        return False
    try:
        parts = urlsplit(endpoint)
        port = _HTTPS_PORT if parts.port is None else parts.port
    except ValueError:
        return False
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or "#" in endpoint:
        return False
    if "\\" in endpoint or " " in endpoint:  # clients differ in what they make of these
        return False
    return any(_fits(parts.hostname, port, allowed) for allowed in hosts)


def adds_a_card(address: Address) -> bool:
    """Return whether the device shows every push as a card of its own, and none in silence.

    Apple's browsers honour neither `tag` nor `silent`, and end a subscription whose pushes show
    nothing.
    """
    if not isinstance(address, WebAddress):
        return False
    return (urlsplit(address.endpoint).hostname or "").endswith(_APPLE)


def _fits(host: str, port: int, allowed: str) -> bool:
    name, _, number = allowed.partition(":")
    if port != int(number or _HTTPS_PORT):
        return False
    if name.startswith("*."):
        return host.endswith(name[1:].lower())
    return host == name.lower()


def _require_keys(keys: WebKeys) -> None:
    if not _is_point(decoded(keys.p256dh)):
        raise invalid(
            "subscription_invalid",
            "/subscription/keys/p256dh",
            "This is not an uncompressed point of P-256 in base64url (RFC 8291 §3.1).",
        )
    if len(decoded(keys.auth)) != _SECRET_BYTES:
        raise invalid(
            "subscription_invalid", "/subscription/keys/auth", "This is not 16 bytes in base64url."
        )


def _is_point(encoded: bytes) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded)
    except ValueError:
        return False
    return encoded.startswith(_UNCOMPRESSED)


def decoded(text: str) -> bytes:
    """Decode base64url, padded or not; empty when it is invalid."""
    plain = text.rstrip("=")
    if not _BASE64URL.fullmatch(plain):
        return b""
    try:
        return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except NotBase64:
        return b""
