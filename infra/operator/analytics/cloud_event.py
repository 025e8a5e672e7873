"""An event as a CloudEvent, and its signature.

Specifications: CloudEvents 1.0.2 with its HTTP binding (binary and structured mode, §3.1, §3.2) and
the extension `sequence`; the signature is that of Standard Webhooks 1.0, so that receivers find a
library for it: HMAC-SHA256 over `<id>.<timestamp>.<body>`.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

import msgspec

from events import Recorded
from events.codec import tag_of

Mode = Literal["binary", "structured"]

_SECRET: Final = "whsec_"  # noqa: S105 - the prefix that Standard Webhooks gives to secrets
_SEQUENCE_DIGITS: Final = 20
_MIN_SECRET_BYTES: Final = 16


class Message(NamedTuple):
    """One HTTP request's headers and body."""

    headers: Mapping[str, str]
    body: bytes


def secret_bytes(secret: str) -> bytes:
    """Read an endpoint's secret: `whsec_` and base64, or 16 characters and more as they are.

    Raises ValueError, never with the secret in it.
    """
    if secret.startswith(_SECRET):
        try:
            content = b64decode(secret.removeprefix(_SECRET), validate=True)
        except NotBase64:
            raise ValueError("what follows whsec_ is not base64") from None
    else:
        content = secret.encode()
    if len(content) < _MIN_SECRET_BYTES:
        raise ValueError(f"it is shorter than {_MIN_SECRET_BYTES} bytes")
    return content


def signature(secret: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a body sent at a time (seconds since 1970): `v1,` and the HMAC in base64."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.digest(secret, signed, sha256)).decode()


def message(recorded: Recorded, mode: Mode, *, secret: bytes, now: datetime) -> Message:
    """Encode an event as a signed request. The data is the event as it is stored."""
    attributes = _attributes(recorded)
    if mode == "binary":
        body = recorded.body
        headers = {f"ce-{name}": value for name, value in attributes.items()}
        headers["content-type"] = "application/json"
    else:
        content: dict[str, Any] = {**attributes, "datacontenttype": "application/json"}
        body = msgspec.json.encode({**content, "data": msgspec.Raw(recorded.body)})
        headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    timestamp = int(now.timestamp())
    signed = signature(secret, message_id=recorded.id, timestamp=timestamp, body=body)
    return Message(
        {
            **headers,
            "webhook-id": recorded.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signed,
        },
        body,
    )


def _attributes(recorded: Recorded) -> dict[str, str]:
    return {
        "specversion": "1.0",
        "id": recorded.id,
        "source": f"urn:errand:{recorded.account}",
        "type": f"errand.{tag_of(recorded.event)}",
        "subject": recorded.task,
        "time": recorded.at.isoformat().replace("+00:00", "Z"),
        # Ordered as text, so zeros in front (the extension's rule).
        "sequence": f"{recorded.sequence:0{_SEQUENCE_DIGITS}}",
    }
