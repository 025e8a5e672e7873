"""Devices registered for pushes, in Postgres. Every statement names account and person."""

import re
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from events.ids import prefixed
from infra.runtime.clock import Clock
from services.gateway.accounts.tokens import Entropy
from services.gateway.problems import not_found, refused, unavailable
from services.gateway.push.notification.address import (
    Address,
    Kind,
    digest,
    encode_address,
    kind_of,
)
from services.gateway.stores.database import Pool, across_accounts, within
from services.gateway.tasks.access import Principal

MAX_DEVICES: Final = 20

_MAX_NAME_CHARACTERS: Final = 100
_ID: Final = re.compile(r"dev_[a-z2-7]{26}")

_COLUMNS: Final = "device, kind, name, created_at, seen_at, dead_at, dead_reason"
_OF_ANOTHER: Final = """
    DELETE FROM accounts.device WHERE address_digest = $1 AND (account, person) <> ($2, $3)
"""
_COUNT: Final = """
    SELECT count(*) FROM accounts.device
    WHERE account = $1 AND person = $2 AND dead_at IS NULL AND address_digest <> $3
"""
_REGISTER: Final = f"""
    INSERT INTO accounts.device
        (device, account, person, session, kind, name, address, address_digest, created_at, seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
    ON CONFLICT (address_digest) DO UPDATE SET
        session = excluded.session, name = excluded.name, address = excluded.address,
        seen_at = excluded.seen_at
    WHERE (device.account, device.person) = (excluded.account, excluded.person)
    RETURNING {_COLUMNS}
"""  # noqa: S608 - our own columns
_LIST: Final = f"""
    SELECT {_COLUMNS} FROM accounts.device
    WHERE account = $1 AND person = $2 ORDER BY created_at DESC, device
"""  # noqa: S608 - our own columns
_FIND: Final = f"""
    SELECT {_COLUMNS} FROM accounts.device
    WHERE account = $1 AND person = $2 AND device = $3
"""  # noqa: S608 - our own columns
_DELETE: Final = """
    DELETE FROM accounts.device WHERE account = $1 AND person = $2 AND device = $3
    RETURNING device
"""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A registered device. A dead one gets nothing until it registers again."""

    id: str
    kind: Kind
    name: str
    created_at: datetime
    seen_at: datetime
    dead_at: datetime | None
    dead_reason: str


class Registration(NamedTuple):
    """A device, and whether this registration created it."""

    device: Device
    is_new: bool


class Devices:
    """Registers, lists and deletes devices. Raises Refused (503) when the database is away."""

    def __init__(self, pool: Pool, *, clock: Clock, entropy: Entropy) -> None:
        self._pool = pool
        self._clock = clock
        self._entropy = entropy

    async def register(self, principal: Principal, address: Address, name: str) -> Registration:
        """Store a device's address; the same address again is the same device.

        An address that another person registered becomes this person's: whoever holds the
        device has signed in on it. Raises Refused (409) beyond MAX_DEVICES.
        """
        now, key = self._clock(), digest(address)
        name = "".join(filter(str.isprintable, name))[:_MAX_NAME_CHARACTERS]
        account, person = principal.account, principal.person
        fresh = prefixed("dev", self._entropy(16))
        async with across_accounts(self._pool) as connection:  # the address may be another's
            await connection.execute(_OF_ANOTHER, key, account, person)
            if await connection.fetchval(_COUNT, account, person, key) >= MAX_DEVICES:
                raise refused(
                    409,
                    "too_many_devices",
                    f"You have {MAX_DEVICES} devices registered for pushes. Remove one with "
                    "`DELETE /v1/devices/{device}` first.",
                )
            row = await connection.fetchrow(
                _REGISTER,
                fresh,
                account,
                person,
                principal.session,
                kind_of(address),
                name,
                encode_address(address),
                key,
                now,
            )
        if row is None:  # it came after the DELETE
            raise unavailable("Another person registers this very device. Ask again.")
        device = _device(row)
        return Registration(device, is_new=device.id == fresh)

    async def list(self, principal: Principal) -> list[Device]:
        """List the person's devices, newest first."""
        async with within(self._pool, principal.account) as connection:
            rows = await connection.fetch(_LIST, principal.account, principal.person)
        return [_device(row) for row in rows]

    async def get(self, principal: Principal, device: str) -> Device:
        """Return one of the person's devices. Raises Refused (404) when there is none."""
        _require_id(device)
        async with within(self._pool, principal.account) as connection:
            row = await connection.fetchrow(_FIND, principal.account, principal.person, device)
        if row is None:
            raise not_found("device")
        return _device(row)

    async def delete(self, principal: Principal, device: str) -> None:
        """Delete one of the person's devices and its pushes. Raises Refused (404)."""
        _require_id(device)
        async with within(self._pool, principal.account) as connection:
            found = await connection.fetchval(_DELETE, principal.account, principal.person, device)
        if found is None:
            raise not_found("device")


def _require_id(text: str) -> None:
    if not _ID.fullmatch(text):
        raise not_found("device")


def _device(row: Any) -> Device:  # noqa: ANN401 - an asyncpg record
    return Device(**{("id" if name == "device" else name): value for name, value in row.items()})
