"""The rehearsal's own count of what it has billed, so that others' sums can be compared with it.

Kept in a file, one line a request, so that a restarted model still knows its sums. A reply that was
delivered to its end counts as completed; one that broke off as interrupted, with the output that
had been sent. A refused request costs nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from infra.simulators.anthropic.billing.prompt_cache import InputTokens


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was answered with a message, whole or broken; counts are tokens."""

    at: str
    request_id: str
    user_id: str
    model: str
    is_complete: bool
    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    ephemeral_1h_input_tokens: int = 0


class Sum(msgspec.Struct):
    """Sum over several requests."""

    requests: int = 0
    input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0

    def add(self, entry: Entry) -> None:
        """Add one request."""
        self.requests += 1
        self.input_tokens += entry.input_tokens
        self.cache_creation_input_tokens += entry.cache_creation_input_tokens
        self.cache_read_input_tokens += entry.cache_read_input_tokens
        self.output_tokens += entry.output_tokens


class Account(msgspec.Struct):
    """The sums of one user and model: what arrived whole, and what broke off."""

    user_id: str
    model: str
    completed: Sum = msgspec.field(default_factory=Sum)
    interrupted: Sum = msgspec.field(default_factory=Sum)


class Ledger:
    """Sums by user and model, in the file `ledger.jsonl` of a directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "ledger.jsonl"
        self._accounts: dict[tuple[str, str], Account] = {}
        self._refused = 0
        _drop_partial_line(self._path)
        for entry in _entries(self._path):
            self._count(entry)

    def record(self, entry: Entry) -> None:
        """Count an answered request and write it down."""
        self._count(entry)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")

    def record_refusal(self) -> None:
        """Count a request that was answered with an error; these are not written down."""
        self._refused += 1

    def report(self, user_id: str | None = None) -> dict[str, object]:
        """Return {"completed", "interrupted", "refused", "accounts"}, of one user or of all."""
        accounts = [a for a in self._accounts.values() if user_id in (None, a.user_id)]
        return {
            "completed": _together([account.completed for account in accounts]),
            "interrupted": _together([account.interrupted for account in accounts]),
            "refused": self._refused,
            "accounts": accounts,
        }

    def entries(self) -> Iterator[Entry]:
        """Read all that was written down, oldest first."""
        return _entries(self._path)

    def _count(self, entry: Entry) -> None:
        key = (entry.user_id, entry.model)
        account = self._accounts.setdefault(key, Account(*key))
        (account.completed if entry.is_complete else account.interrupted).add(entry)


def entry_of(
    *,
    at: str,
    request_id: str,
    user_id: str,
    model: str,
    prompt: InputTokens,
    output_tokens: int,
    is_complete: bool,
) -> Entry:
    """Write a line for one answered request; `at` is RFC 3339."""
    return Entry(
        at=at,
        request_id=request_id,
        user_id=user_id,
        model=model,
        is_complete=is_complete,
        input_tokens=prompt.fresh,
        cache_creation_input_tokens=prompt.written,
        cache_read_input_tokens=prompt.read,
        output_tokens=output_tokens,
        ephemeral_1h_input_tokens=prompt.written_1h,
    )


def _entries(path: Path) -> Iterator[Entry]:
    if path.exists():
        for line in path.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Entry)


def _drop_partial_line(path: Path) -> None:
    """Cut off a last line that a crash left unfinished."""
    if not path.exists():
        return
    written = path.read_bytes()
    whole = written.rfind(b"\n") + 1
    if whole < len(written):
        path.write_bytes(written[:whole])


def _together(sums: list[Sum]) -> Sum:
    total = Sum()
    for each in sums:
        for name in Sum.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total
