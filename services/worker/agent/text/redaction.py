"""Secrets taken out of what leaves the worker: each is replaced by `[redacted:NAME]`. Pure.

First the task's own secrets, exactly: as they are, in hex, in URL encoding, and within any base64,
also where lines are wrapped. Then keys of well-known shapes. Every pass is linear in the text.
What is not looked into: compressed or encrypted content, and encodings of other kinds.

Not redacted are the files of the work (the commit and the snapshots hold them as they are), and of
a model's reply its thinking and its tool calls: thinking is signed, and a call has to run as it was
made. The model sees secrets of neither kind: what it is given is redacted.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote, quote_plus

import msgspec
from msgspec.structs import replace

from events import Block, ModelReplied
from infra.runtime.known_keys import MAX_HELD_CHARACTERS, held_key, without_known_keys

F = TypeVar("F", bound=msgspec.Struct)

MIN_SECRET_CHARACTERS: Final = 8
_SECRET_NAME: Final = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|CLAIM_CODE|PRIVATE|SEED|DSN|DATABASE_URL", re.IGNORECASE
)
_SEGMENT: Final = 8
_MIN_PART: Final = 6


def secrets_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of an environment, by the names of their variables."""
    return {name: text for name, text in environment.items() if _SECRET_NAME.search(name)}


class Redactor:
    """Knows the secrets of one task; more can be added while it is in use."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._needles: dict[str, _Needle] = {}
        for name, secret in (secrets or {}).items():
            self.add(name, secret)

    def add(self, name: str, secret: str) -> None:
        """Take a secret to be redacted under a name; one too short to be one is left out."""
        for each in (secret.strip(), *_lines_of(secret)):
            if len(each) >= MIN_SECRET_CHARACTERS:
                for spelled in sorted(_spellings(each), key=len, reverse=True):
                    self._needles.setdefault(spelled, _Needle(name, spelled))

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        return without_known_keys(self.known(text))

    def known(self, text: str) -> str:
        """Return the text without the task's own secrets; keys of well-known shapes stay."""
        for needle in self._needles.values():
            text = needle.without(text)
        return text

    def fact(self, fact: F) -> F:
        """Return a fact with every text in it redacted; of a reply see `blocks`."""
        changes: dict[str, Any] = {}
        for field in fact.__struct_fields__:
            value = getattr(fact, field)
            is_reply = isinstance(fact, ModelReplied) and field == "blocks"
            redacted = self.blocks(value) if is_reply else _each(value, self.text)
            if redacted != value:
                changes[field] = redacted
        return replace(fact, **changes) if changes else fact

    def blocks(self, blocks: Iterable[Block]) -> tuple[Block, ...]:
        """Return a reply's blocks: text redacted, calls without the task's own secrets.

        Every other block is as it was.
        """
        return tuple(map(self._block, blocks))

    def _block(self, block: Block) -> Block:
        match block.get("type"):
            case "text":
                return {**block, "text": _each(block.get("text"), self.text)}
            case "tool_use":
                return {**block, "input": _each(block.get("input"), self.known)}
            case _:
                return block

    def stream(self) -> "RedactedStream":
        """Begin a text that comes in pieces."""
        return RedactedStream(self)

    def held_from(self, text: str) -> int:
        """Return from where on the end of a text may be the beginning of a secret."""
        place = min(held_key(text), len(text))
        for needle in self._needles.values():
            place = min(place, needle.begun_at(text))
        return place


class RedactedStream:
    """A text that comes in pieces; what may be the beginning of a secret is held back."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""
        self._before = ""  # the last character shown: a key of a known shape begins a word

    def take(self, piece: str) -> str:
        """Return what may be shown now that this piece has come."""
        raw, first = self._before + self._held + piece, len(self._before)
        place = max(first, self._redactor.held_from(raw), len(raw) - MAX_HELD_CHARACTERS)
        whole, step = self._redactor.text(raw), 1
        shown = self._redactor.text(raw[:place])
        while place > first and shown + self._rest(raw, place) != whole:  # in a secret's middle
            place, step = max(first, place - step), 2 * step
            shown = self._redactor.text(raw[:place])
        self._held = raw[place:]
        self._before = raw[max(0, place - 1) : place]
        return shown[first:]

    def end(self) -> str:
        """Return the rest."""
        rest = self._redactor.text(self._before + self._held)[len(self._before) :]
        self._before = self._held = ""
        return rest

    def _rest(self, raw: str, place: int) -> str:
        return self._redactor.text(raw[place - 1 :])[1:]


class _Needle(NamedTuple):
    name: str
    spelled: str

    def without(self, text: str) -> str:
        """Replace the secret; looked for by pieces first, one of which no wrapping breaks."""
        last = len(self.spelled) - _SEGMENT
        pieces = {min(at, last) for at in (0, 2 * _SEGMENT, 4 * _SEGMENT)}
        if not any(self.spelled[at : at + _SEGMENT] in text for at in pieces):
            return text
        mark = f"[redacted:{self.name}]"
        text = text.replace(self.spelled, mark)
        wrapped = r"(?:\r?\n[ \t+>|-]?)?".join(map(re.escape, self.spelled))
        return re.sub(wrapped, lambda found: mark + "\n" * found[0].count("\n"), text)

    def begun_at(self, text: str) -> int:
        """Return where the end of a text begins like this secret; its length when it does not."""
        tail_from = max(0, len(text) - 2 * len(self.spelled))
        tail = text[tail_from:]
        place = tail.find(self.spelled[0])
        while place >= 0:
            if self._begins(tail, place):
                return tail_from + place
            place = tail.find(self.spelled[0], place + 1)
        return len(text)

    def _begins(self, tail: str, place: int) -> bool:
        if self.spelled.startswith(tail[place:]):
            return True
        head = self.spelled[:_MIN_PART]
        if not head.startswith(tail[place : place + _MIN_PART].partition("\n")[0].rstrip("\r")):
            return False
        joined = "".join(line.rstrip("\r") for line in tail[place:].split("\n"))
        return "\n" in tail[place:] and self.spelled.startswith(joined)


def _each(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON or Struct
    match value:
        case str():
            return change(value)
        case dict():
            return {key: _each(each, change) for key, each in value.items()}
        case list():
            return [_each(each, change) for each in value]
        case tuple():
            return tuple(_each(each, change) for each in value)
        case msgspec.Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            return replace(value, **{n: _each(each, change) for n, each in fields.items()})
        case _:
            return value


def _lines_of(secret: str) -> list[str]:
    """Return the lines of a secret that say something by themselves: of a .creds file, say."""
    lines = [line.strip() for line in secret.split("\n")]
    return (
        [x for x in lines if len(x) >= 4 * MIN_SECRET_CHARACTERS and not x.startswith("-")]
        if (len(lines) > 1)
        else []
    )


def _spellings(secret: str) -> set[str]:
    """Return every way a secret may be spelled that is found letter by letter."""
    raw = secret.encode()
    spelled = {secret, raw.hex(), raw.hex().upper(), quote(secret, safe=""), quote_plus(secret)}
    spelled |= {quote(secret), "".join(f"%{byte:02X}" for byte in raw)}
    for lead in range(3):
        whole = b64encode(b"\0" * lead + raw).decode()
        inner = whole[4 * (lead > 0) : -4]  # what depends on this secret alone
        spelled |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {each for each in spelled if len(each) >= MIN_SECRET_CHARACTERS}
