"""The secrets of one stack: made on its first run, kept beside its data, readable by its owner.

Nothing here reaches an argument list, a URL, a log or an event; services receive theirs through
their environment or as the path of a file.
"""

import os
from base64 import b32encode, b64encode, urlsafe_b64encode
from datetime import datetime
from pathlib import Path

import msgspec

from infra.log import event_mac, nats_users
from infra.log.nats_permissions import ROLES, Role
from infra.runtime.clock import Entropy

KEYS_FILE = "keys.json"
SECRETS_KEY = "secrets.key"

_TOKEN_BYTES = 25
_SECRETS_KEY_BYTES = 32
_SCALAR_BYTES = 32
_BUCKET = "errand"
_REGION = "us-east-1"


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Every generated secret. The `nats_*` are NKEY seeds, the others opaque words.

    `event_keys` are empty until the log was looked at: what it holds by then is unsigned.
    """

    nats_operator: str
    nats_system: str
    nats_account: str
    nats_workers: str
    nats_workers_signing: str
    nats_users: dict[Role, str]
    operator_token: str
    claim_secret: str
    machines_token: str
    forge_token: str
    model_key: str
    storage_key: str
    storage_secret: str
    model_admin_key: str
    vapid_key: str
    account_secret: str
    oauth_secret: str
    event_keys: str = ""
    events_unsigned_up_to: int = 0


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """The object store: an S3 endpoint, its credentials and the bucket."""

    endpoint: str
    key: str
    secret: str
    bucket: str = _BUCKET
    region: str = _REGION


def mint(entropy: Entropy) -> Keys:
    """Make the secrets of a new stack. `entropy(n)` gives n random bytes."""

    def token() -> str:
        return b32encode(entropy(_TOKEN_BYTES)).decode().lower()

    def account() -> str:
        return nats_users.seed("account", entropy(nats_users.SEED_BYTES))

    return Keys(
        nats_operator=nats_users.seed("operator", entropy(nats_users.SEED_BYTES)),
        nats_system=account(),
        nats_account=account(),
        nats_workers=account(),
        nats_workers_signing=account(),
        nats_users={
            role: nats_users.seed("user", entropy(nats_users.SEED_BYTES)) for role in ROLES
        },
        operator_token=token(),
        claim_secret=token(),
        machines_token=token(),
        forge_token=token(),
        model_key=token(),
        storage_key=token(),
        storage_secret=token(),
        model_admin_key=token(),
        vapid_key=_vapid_key(entropy),
        account_secret=token(),
        oauth_secret=token(),
    )


def _vapid_key(entropy: Entropy) -> str:
    """Make a private key of P-256, base64url of 32 bytes: any number below the curve's order.

    All but one in four billion are; with the first byte halved, every one is.
    """
    first, *rest = entropy(_SCALAR_BYTES)
    return urlsafe_b64encode(bytes([first >> 1, *rest])).decode().rstrip("=")


def load(file: Path, entropy: Entropy) -> Keys:
    """Read the secrets kept in `file`, or make them and keep them there."""
    fresh = mint(entropy)
    if not file.exists():
        write_private(file, msgspec.json.encode(fresh))
        return fresh
    kept = msgspec.json.decode(file.read_bytes())
    missing = {name: new for name, new in msgspec.to_builtins(fresh).items() if name not in kept}
    keys = msgspec.convert({**missing, **kept}, Keys)
    if missing:  # kept by an older version
        write_private(file, msgspec.json.encode(keys))
    return keys


def with_event_keys(file: Path, keys: Keys, entropy: Entropy, *, last_sequence: int) -> Keys:
    """Make the keys that prove who wrote an event, unless they are there, and keep them.

    `last_sequence` is where the log ends: what it holds by now was stored without.
    """
    if keys.event_keys:
        return keys
    made = " ".join(
        event_mac.format_key(writer, "1", entropy(event_mac.KEY_BYTES))
        for writer in event_mac.WRITERS
    )
    keys = msgspec.structs.replace(keys, event_keys=made, events_unsigned_up_to=last_sequence)
    write_private(file, msgspec.json.encode(keys))
    return keys


def write_credentials(directory: Path, keys: Keys, *, now: datetime) -> None:
    """Write `<role>.creds` for every service, and `workers.seed`, which mints workers' users."""
    for role in ROLES:
        text = nats_users.service_user(
            role, account_seed=keys.nats_account, user_seed=keys.nats_users[role], now=now
        )
        write_private(directory / f"{role}.creds", text.encode())
    write_private(directory / "workers.seed", keys.nats_workers_signing.encode())


def make_secrets_key(directory: Path, entropy: Entropy) -> None:
    """Make `secrets.key`, which wraps the keys of the accounts' sealed secrets, unless it is there.

    It holds 32 bytes in base64, one such line a key, the current one first.
    """
    file = directory / SECRETS_KEY
    if not file.exists():
        write_private(file, b64encode(entropy(_SECRETS_KEY_BYTES)) + b"\n")


def write_private(file: Path, content: bytes) -> None:
    """Replace a file by one that only its owner may read; a reader sees the old or the new."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    fresh.replace(file)
