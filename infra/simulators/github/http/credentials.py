"""The sender of a request, by the credentials sent."""

import base64
import binascii
import enum
import hmac


class Sender(enum.Enum):
    """Sender of a request, by its credentials."""

    NOBODY = "sent no credentials"
    OWNER = "sent the token, or one that is good for this"
    STRANGER = "sent a token that is good, but not for this"
    GUEST = "sent a token of somebody else, or one that sees only what is public"
    IMPOSTOR = "sent something else"


def credential(authorization: str) -> bytes | None:
    """Read an Authorization header: `Bearer T`, `token T`, or Basic with `T` as the password.

    With Basic any user name will do, as on GitHub. None when it is malformed.
    """
    scheme, _, value = authorization.partition(" ")
    sent = value.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(sent, validate=True).partition(b":")[2]
        except binascii.Error:
            return None
    return sent if scheme.lower() in {"bearer", "token"} else None


def sender(authorization: str, token: str) -> Sender:
    """Judge an Authorization header by the one token of the forge's user."""
    if not authorization:
        return Sender.NOBODY
    sent = credential(authorization)
    same = sent is not None and hmac.compare_digest(sent, token.encode())
    return Sender.OWNER if same else Sender.IMPOSTOR
