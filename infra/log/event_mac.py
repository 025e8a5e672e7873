"""Proof of who wrote an event: a message authentication code (MAC) by the key of its writer.

Gateway, scheduler and operator each write event types of their own. A worker may publish any bytes
on its task's subject, so each event of the three carries the header `Errand-Mac`, made with a key
that no worker has: `<version>.<writer>.<key id>.<base64url>`. It is an HMAC-SHA256 over the
subject, the event's version and the SHA-256 of the body, so that a genuine event proves nothing at
another place. A worker's own event types need no proof. See docs/decisions/0010.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Literal, NamedTuple, Protocol, get_args

from events import GatewayEvent, OperatorEvent, Recorded, SchedulerEvent
from events.codec import AnyEvent

Writer = Literal["gateway", "scheduler", "operator"]

WRITERS: Final[tuple[Writer, ...]] = ("gateway", "scheduler", "operator")
HEADER: Final = "Errand-Mac"
KEY_BYTES: Final = 32

_VERSION: Final = "1"
_LINE: Final = f"\r\n{HEADER}:".encode()
_WELL_FORMED: Final = re.compile(
    rf"{_VERSION}\.([a-z]+)\.([A-Za-z0-9-]{{1,32}})\.([A-Za-z0-9_-]{{43}})"
)
_KEY_ID: Final = re.compile(r"[A-Za-z0-9-]{1,32}")
_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
_WRITER_OF: Final[Mapping[type, Writer]] = {
    **dict.fromkeys(get_args(GatewayEvent), "gateway"),
    **dict.fromkeys(get_args(SchedulerEvent), "scheduler"),
    OperatorEvent: "operator",
}
SIGNED_KINDS: Final = frozenset(_WRITER_OF)
"""The control plane's types of event: a reader asks for their MAC."""


class InvalidKeys(ValueError):
    """The keys are not as they must be. The text says what is wrong, and holds no key."""


class NoKey(Exception):
    """There is no key to sign with. The text says what to set."""


class Mac(NamedTuple):
    """A well-formed `Errand-Mac`."""

    writer: str
    key_id: str
    text: str


class Proofs(Protocol):
    """Judges whether an event was written by whoever may write its type."""

    def objection(self, subject: str, recorded: Recorded, headers: bytes) -> str:
        """Return why the event is not proven; empty when it is, or needs no proof."""
        ...


def writer_of(event: AnyEvent) -> Writer | None:
    """Return which writer's key proves this type of event; None for a worker's types."""
    return _WRITER_OF.get(type(event))


def read_mac(headers: bytes) -> Mac | str:
    """Read the one `Errand-Mac` of a raw header block; else return what is wrong with it."""
    _, found, rest = headers.partition(_LINE)
    if not found:
        return f"it carries no {HEADER}"
    value, end, after = rest.partition(b"\r\n")
    if _LINE in end + after:
        return f"it carries more than one {HEADER}"
    return parse_mac(value.strip(b" ").decode(errors="replace")) or f"its {HEADER} is malformed"


def parse_mac(text: str) -> Mac | None:
    """Read the text of an `Errand-Mac`; None when it is malformed."""
    match = _WELL_FORMED.fullmatch(text)
    return Mac(match[1], match[2], text) if match else None


def header_block(mac: str) -> bytes:
    """Return a raw header block that holds one `Errand-Mac`; empty for none."""
    return f"NATS/1.0\r\n{HEADER}: {mac}\r\n\r\n".encode() if mac else b""


class _Key:
    """HMAC-SHA256 (RFC 2104) with one key, from states made once: a third of `hmac`'s time."""

    def __init__(self, writer: Writer, key_id: str, secret: bytes) -> None:
        block = secret.ljust(_BLOCK_BYTES, b"\0")
        domain = f"errand event {_VERSION}\n{writer}\n{key_id}\n".encode()
        self._inner = sha256(block.translate(_INNER) + domain)
        self._outer = sha256(block.translate(_OUTER))
        self._prefix = f"{_VERSION}.{writer}.{key_id}."

    def sign(self, subject: str, version: int, digest: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(b"%b\n%d\n%b" % (subject.encode(), version, digest))
        outer.update(inner.digest())
        return self._prefix + urlsafe_b64encode(outer.digest()).decode().rstrip("=")


class EventKeys:
    """The keys of all writers. A writer's last key signs, each of them verifies.

    What stands at a sequence up to `unsigned_up_to` was stored before there were keys, and is taken
    as it is; sequences are the server's, and cannot be forged.
    """

    def __init__(
        self, keys: Iterable[tuple[Writer, str, bytes]] = (), *, unsigned_up_to: int = 0
    ) -> None:
        self._keys: dict[tuple[str, str], _Key] = {}
        self._signing: dict[Writer, _Key] = {}
        self.unsigned_up_to = unsigned_up_to
        for writer, key_id, secret in keys:
            if (writer, key_id) in self._keys:
                raise InvalidKeys(f"the key id {key_id} of {writer} stands there twice")
            key = _Key(writer, key_id, secret)
            self._keys[writer, key_id] = self._signing[writer] = key

    def __repr__(self) -> str:
        return f"EventKeys({[f'{writer}:{key_id}' for writer, key_id in self._keys]})"

    def sign(self, writer: Writer, subject: str, version: int, body: bytes) -> str:
        """Return the `Errand-Mac` of an event. Raises NoKey."""
        key = self._signing.get(writer)
        if key is None:
            raise NoKey(f"There is no key to sign events of {writer} with. Set EVENT_KEYS.")
        return key.sign(subject, version, sha256(body).digest())

    def objection(self, subject: str, recorded: Recorded, headers: bytes) -> str:
        """Return why the event is not proven; empty when it is, or needs no proof."""
        writer = _WRITER_OF.get(type(recorded.event))
        if writer is None or recorded.sequence <= self.unsigned_up_to:
            return ""
        mac = read_mac(headers)
        if isinstance(mac, str):
            return mac
        if mac.writer != writer:
            return f"its {HEADER} is of {mac.writer}, and the type belongs to {writer}"
        return self.mac_objection(mac, subject, recorded.version, sha256(recorded.body).digest())

    def mac_objection(self, mac: Mac, subject: str, version: int, digest: bytes) -> str:
        """Return why a MAC does not prove that its writer wrote this; empty when it does."""
        key = self._keys.get((mac.writer, mac.key_id))
        if key is None:
            return f"its {HEADER} names a key that is not known, {mac.writer}:{mac.key_id}"
        if not compare_digest(key.sign(subject, version, digest), mac.text):
            return f"its {HEADER} does not fit what it says, or where it stands"
        return ""


NO_KEYS: Final = EventKeys()
"""Signs nothing, and takes no event of the control plane for proven."""


def read_keys(text: str, *, unsigned_up_to: int = 0) -> EventKeys:
    """Read keys as the setting EVENT_KEYS has them: `<writer>:<key id>:<base64url>`, by spaces.

    Each writer has one or more, of 32 bytes; the last one signs. Raises InvalidKeys.
    """
    keys = [_read_key(place, word) for place, word in enumerate(text.split(), 1)]
    for writer in WRITERS:
        if not any(writer == other for other, _, _ in keys):
            raise InvalidKeys(f"there is no key of {writer}")
    if len({secret for _, _, secret in keys}) < len(keys):
        raise InvalidKeys("a key stands there twice; each needs random bytes of its own")
    return EventKeys(keys, unsigned_up_to=unsigned_up_to)


def _read_key(place: int, word: str) -> tuple[Writer, str, bytes]:
    writer, _, rest = word.partition(":")
    key_id, _, encoded = rest.partition(":")
    known = next((each for each in WRITERS if each == writer), None)
    if known is None:
        raise InvalidKeys(f"key {place} begins with none of {', '.join(WRITERS)}")
    if not _KEY_ID.fullmatch(key_id):
        raise InvalidKeys(f"key {place} has no id of 1 to 32 letters, digits and hyphens")
    try:
        secret = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (NotBase64, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise InvalidKeys(f"key {place}, {writer}:{key_id}, is not {KEY_BYTES} bytes in base64url")
    return known, key_id, secret


def format_key(writer: Writer, key_id: str, secret: bytes) -> str:
    """Return a key as EVENT_KEYS has it."""
    return f"{writer}:{key_id}:{urlsafe_b64encode(secret).decode().rstrip('=')}"
