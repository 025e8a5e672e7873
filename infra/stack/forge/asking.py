"""Who asks, by the credentials sent. Pure."""

import base64
import binascii
import enum
import hmac


class Asker(enum.Enum):
    """What a request's credentials make of its sender."""

    NOBODY = "sent no credentials"
    OWNER = "sent the token"
    GUEST = "sent a token of somebody else, or one that sees only what is public"
    IMPOSTOR = "sent something else"


def asker(authorization: str, token: str) -> Asker:
    """Judge an Authorization header: `Bearer T`, `token T`, or Basic with `T` as the password.

    With Basic any user name will do, as on GitHub.
    """
    if not authorization:
        return Asker.NOBODY
    scheme, _, value = authorization.partition(" ")
    sent = value.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            sent = base64.b64decode(sent, validate=True).partition(b":")[2]
        except binascii.Error:
            return Asker.IMPOSTOR
    elif scheme.lower() not in {"bearer", "token"}:
        return Asker.IMPOSTOR
    same = hmac.compare_digest(sent, token.encode())
    return Asker.OWNER if same else Asker.IMPOSTOR
