"""Sign-in: pairing codes, the sessions they are exchanged for, and whose a session is."""

from datetime import datetime
from typing import Literal

import msgspec

from events.ids import AccountId, PersonId

Role = Literal["owner", "member"]
"""The role of a person in their account. Owners decide who belongs to it."""

Scope = Literal["read", "write", "approve", "admin"]
"""A right of a credential: to look; to send and steer tasks; to answer approvals; to manage people,
keys, devices and settings."""


class PairingRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For which account; with the operator's token only."""

    account: str = ""


class PairingOffer(msgspec.Struct, frozen=True):
    """A code good for one device and ten minutes. `url` carries it in its fragment."""

    code: str
    expires_at: datetime
    url: str


class SignInDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name and platform a device reports."""

    name: str = ""
    platform: str = ""


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A code (of a pairing, an invitation or a mailed link), and what the device calls itself.

    With the transport `cookie` the session's tokens are set as cookies that no script can read, and
    the answer has none; that is for browsers.
    """

    code: str
    device: SignInDevice = SignInDevice()
    transport: Literal["token", "cookie"] = "token"


class Renewal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest refresh token of a session."""

    refresh_token: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in device: `token` is valid until `expires_at`; then exchange `refresh_token`."""

    token: str
    expires_at: datetime
    refresh_token: str
    session: str
    account: AccountId
    person: PersonId
    role: Role


class Seen(msgspec.Struct, frozen=True):
    """The last version a person has seen, per task, on any of their devices."""

    cursors: dict[str, int]


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of a credential, and what it may be used for.

    `expires_at` is when the credential ends unless it is renewed; null when it does not end.
    """

    account: AccountId
    person: PersonId
    session: str
    role: Role
    scopes: tuple[Scope, ...]
    expires_at: datetime | None = None
