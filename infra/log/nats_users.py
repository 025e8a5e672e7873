"""Accounts and users of NATS as signed JWTs, minted here and nowhere else.

Callers: `infra.local` (the operator, the accounts, the services' users of an embedded server) and
`services.gateway` (one user per attempt of a task, signed with the signing key of account WORKERS).
Seeds and times are arguments, so the same arguments give the same bytes.

Specification: the claims are version 2 of github.com/nats-io/jwt (Go); the header's algorithm is
`ed25519-nkey`; keys and seeds are NKEYs (github.com/nats-io/nkeys). The server enforces the
permissions, and disconnects a user at `exp`.
"""

from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal, NamedTuple

import msgspec
import nkeys

from infra.log.nats_permissions import (
    MAX_WORKER_MESSAGE_BYTES,
    PERMISSIONS,
    SERVICES,
    Permissions,
    Role,
    WorkerGrant,
    worker_permissions,
)

Kind = Literal["operator", "account", "user"]

SEED_BYTES: Final = 32

_PREFIXES: Final[Mapping[Kind, int]] = {
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "user": nkeys.PREFIX_BYTE_USER,
}
_UNLIMITED: Final = -1


class Signer(NamedTuple):
    """Signs the users of an account: the account's public key, and the seed of a signing key."""

    account: str
    seed: str


def seed(kind: Kind, entropy: bytes) -> str:
    """Encode 32 random bytes as the seed (the secret) of a key of this kind."""
    encoded: bytes = nkeys.encode_seed(entropy, _PREFIXES[kind])  # type: ignore[no-untyped-call]
    return encoded.decode()


def public_key(secret: str) -> str:
    """Name the public key of a seed."""
    return bytes(_pair(secret).public_key).decode()


def sign(secret: str, message: bytes) -> bytes:
    """Sign with ed25519: 64 bytes. A client answers the server's nonce with this."""
    return bytes(_pair(secret).sign(message))  # type: ignore[no-untyped-call]


def operator_jwt(operator: str, *, system: str, now: datetime) -> str:
    """Mint the operator's JWT, self-signed. `operator` is its seed, `system` an account's key."""
    claims = {"type": "operator", "version": 2, "system_account": system}
    return _mint(operator, public_key(operator), "errand", claims, now=now)


def system_account_jwt(operator: str, account: str, *, now: datetime) -> str:
    """Mint the account in which the server speaks of itself. No user of it is ever made."""
    return _mint(operator, account, "SYS", _account(), now=now)


def operating_account_jwt(operator: str, account: str, *, now: datetime) -> str:
    """Return the JWT of account CORE, which holds JetStream and offers its services to workers."""
    exports = [
        {"name": subject, "subject": subject, "type": "service", "response_type": response}
        for subject, response in SERVICES.items()
    ]
    storage = {"mem_storage": _UNLIMITED, "disk_storage": _UNLIMITED}
    streams = {"streams": _UNLIMITED, "consumer": _UNLIMITED}
    claims = _account(exports=exports, limits={**storage, **streams})
    return _mint(operator, account, "CORE", claims, now=now)


def workers_account_jwt(
    operator: str, account: str, *, signing_key: str, exporter: str, now: datetime
) -> str:
    """Mint account WORKERS: without JetStream, reaching account `exporter` by imports alone.

    `signing_key` is the public key whose seed mints the workers' users.
    """
    imports = [
        {"name": subject, "subject": subject, "account": exporter, "type": "service"}
        for subject in SERVICES
    ]
    limits = {"payload": MAX_WORKER_MESSAGE_BYTES}
    claims = _account(imports=imports, signing_keys=[signing_key], limits=limits)
    return _mint(operator, account, "WORKERS", claims, now=now)


def service_user(role: Role, *, account_seed: str, user_seed: str, now: datetime) -> str:
    """Mint a service's user in the account whose seed is given; answer its credentials text."""
    return credentials(
        Signer(public_key(account_seed), account_seed),
        role,
        PERMISSIONS[role],
        user_seed=user_seed,
        now=now,
    )


def worker_user(
    signer: Signer, grant: WorkerGrant, *, user_seed: str, now: datetime, expires: datetime
) -> str:
    """Mint the user of one attempt, valid until `expires`; answer its credentials text."""
    permissions = worker_permissions(grant)
    return credentials(
        signer, grant.reader, permissions, user_seed=user_seed, now=now, expires=expires
    )


def credentials(
    signer: Signer,
    name: str,
    permissions: Permissions,
    *,
    user_seed: str,
    now: datetime,
    expires: datetime | None = None,
) -> str:
    """Mint a user with these permissions; answer the text of a `.creds` file."""
    claims: dict[str, object] = {
        "pub": {"allow": list(permissions.publish)},
        "sub": {"allow": list(permissions.subscribe)},
        "subs": _UNLIMITED,
        "data": _UNLIMITED,
        "payload": _UNLIMITED,
        "type": "user",
        "version": 2,
    }
    if public_key(signer.seed) != signer.account:
        claims["issuer_account"] = signer.account
    token = _mint(signer.seed, public_key(user_seed), name, claims, now=now, expires=expires)
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user_seed}\n------END USER NKEY SEED------\n"
    )


class Credentials(NamedTuple):
    """A `.creds` text taken apart."""

    token: str
    seed: str


def read_credentials(text: str) -> Credentials:
    """Take a `.creds` text apart. Raises `ValueError` when it is not one."""
    lines = [line.strip() for line in text.splitlines()]
    inside = [line for line in lines if line and not line.startswith("-----")]
    match inside:
        case [token, secret]:
            return Credentials(token, secret)
        case _:
            raise ValueError("This is not a NATS credentials text: a JWT and a seed are expected.")


def inbox_prefix(text: str) -> str:
    """Name the inbox prefix that the user of this `.creds` text may subscribe under.

    Services answer to `_INBOX`, a worker to one of its own. Raises `ValueError` when not one.
    """
    body = read_credentials(text).token.split(".")[1]
    claims = msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    for subject in claims["nats"]["sub"]["allow"]:
        if subject.startswith("_INBOX"):
            return str(subject).removesuffix(".>")
    raise ValueError("These NATS credentials grant no inbox.")


def _account(
    *,
    exports: list[dict[str, str]] | None = None,
    imports: list[dict[str, str]] | None = None,
    limits: Mapping[str, int] | None = None,
    signing_keys: list[str] | None = None,
) -> dict[str, object]:
    counts = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
    return {
        "type": "account",
        "version": 2,
        "exports": exports or [],
        "imports": imports or [],
        "signing_keys": signing_keys or [],
        "limits": {
            **dict.fromkeys(counts, _UNLIMITED),
            "wildcards": True,
            **(limits or {}),
        },
        "default_permissions": {"pub": {}, "sub": {}},
    }


def _mint(
    issuer: str,
    subject: str,
    name: str,
    claims: Mapping[str, object],
    *,
    now: datetime,
    expires: datetime | None = None,
) -> str:
    payload: dict[str, object] = {
        "iat": int(now.timestamp()),
        "iss": public_key(issuer),
        "name": name,
        "sub": subject,
        "nats": claims,
    }
    if expires is not None:
        payload["exp"] = int(expires.timestamp())
    digest = sha256(msgspec.json.encode(payload, order="deterministic")).digest()
    payload["jti"] = b32encode(digest).decode().rstrip("=")
    header = msgspec.json.encode({"typ": "JWT", "alg": "ed25519-nkey"})
    signed = _base64(header) + b"." + _base64(msgspec.json.encode(payload, order="deterministic"))
    return (signed + b"." + _base64(sign(issuer, signed))).decode()


def _base64(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def _pair(secret: str) -> nkeys.KeyPair:
    pair: nkeys.KeyPair = nkeys.from_seed(bytearray(secret.encode()))  # type: ignore[no-untyped-call]
    return pair
