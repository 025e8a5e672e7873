"""Events as a stranger may see them: one decision for every field of every event. Pure.

A field is sent because this table says so, never because nobody thought of it: an event or a field
without a decision cannot be redacted, and a test names it. No id of a person, an account, a machine
or a stored object gets through, whatever a link includes; in every text, keys of well-known shapes,
mail addresses and such ids are marked.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct
from msgspec.structs import replace

import events as facts
from events import AccountId, Blob, Block, Budget, Draft, LeftOut, Recorded, Repository, UndoneCall
from events.codec import encode
from events.limits import MAX_NAME_CHARACTERS
from events.protocol.api.shares import SharedParts
from infra.runtime.known_keys import without_known_keys

Decision = Callable[[Any, SharedParts], Any]
Decisions = Mapping[str, Decision]

SOMEBODY: Final = "person:shared"
"""The writer of what any person did."""

_SHORT: Final = 4096  # the shortest limit of a text that is redacted
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_OWN_ID: Final = re.compile(r"\b(?:acc|per|ses|key|dev|shr)_[a-z2-7]{26}\b")
# Up to the last @ before a path: a password may have an @ in it.
_USER_INFO: Final = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/?#'\"<>]{1,512}@")
_EVENT: Final = re.compile(r"evt_[a-z2-7]{26}")
_NO_BLOB: Final = Blob("", 0, "")
_COMMAND_INPUTS: Final = frozenset({"command", "path", "pattern", "glob", "timeout_seconds"})


def scrub(text: str) -> str:
    """Return a text without keys, mail addresses, passwords in addresses, and ids of people."""
    clean = _USER_INFO.sub(r"\1", without_known_keys(text))
    if "@" in clean:
        clean = _EMAIL.sub("[redacted:email]", clean)
    clean = _OWN_ID.sub("[redacted:id]", clean)
    return clean if len(clean) <= _SHORT else clean[: max(_SHORT, len(text))]


def redacted(recorded: Recorded, parts: SharedParts) -> Recorded:
    """Return an event as a link shows it; `encoded` spells it."""
    event: Any = recorded.event
    decisions = DECISIONS[type(event)]
    values = {
        field: decisions[field](getattr(event, field), parts) for field in event.__struct_fields__
    }
    return replace(
        recorded,
        account=AccountId(""),
        by=SOMEBODY if recorded.by.startswith("person:") else recorded.by.partition(":")[0],
        cause=recorded.cause if _EVENT.fullmatch(recorded.cause) else "",
        event=type(event)(**values),
        body=b"",
    )


def encoded(recorded: Recorded) -> bytes:
    """Return a redacted event as bytes, of the shape that stored events have."""
    draft = Draft(
        id=recorded.id,
        at=recorded.at,
        by=recorded.by,
        cause=recorded.cause,
        event=recorded.event,
    )
    return encode(recorded.history, recorded.version, draft)


def _keep(value: Any, parts: SharedParts) -> Any:  # noqa: ANN401 - any field
    """Keep a value; a worker writes its own events, so that any text may stand in any field."""
    if isinstance(value, str):
        return scrub(value)[: max(MAX_NAME_CHARACTERS, len(value))]
    if isinstance(value, Struct):
        fields = value.__struct_fields__
        return replace(value, **{name: _keep(getattr(value, name), parts) for name in fields})
    return value


def _prose(value: Any, _: SharedParts) -> Any:  # noqa: ANN401 - a text, or texts
    return tuple(map(scrub, value)) if isinstance(value, tuple) else scrub(value)


def _drop(empty: Any) -> Decision:  # noqa: ANN401 - any field
    return lambda _value, _parts: empty


def _of(part: str, empty: Any = "", *, then: Decision = _prose) -> Decision:  # noqa: ANN401
    """Make the decision to show a field only where the link includes a part."""
    return lambda value, parts: then(value, parts) if getattr(parts, part) else empty


def _repository(value: Repository, _: SharedParts) -> Repository:
    try:
        url = urlsplit(value.url)
        plain = urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))
    except ValueError:
        plain = ""
    return Repository(scrub(plain), scrub(value.base))


def _address(value: str, parts: SharedParts) -> str:
    return _repository(Repository(value), parts).url


def _budget(value: Budget, parts: SharedParts) -> Budget:
    return value if parts.costs else replace(value, cost_microusd=0)


def _undone(value: tuple[UndoneCall, ...], parts: SharedParts) -> tuple[UndoneCall, ...]:
    return tuple(replace(_keep(call, parts), title=_title(call.title, parts)) for call in value)


def _plan(value: tuple[facts.PlanItem, ...], _: SharedParts) -> tuple[facts.PlanItem, ...]:
    return tuple(replace(item, text=scrub(item.text)) for item in value)


def _left_out(value: tuple[LeftOut, ...], parts: SharedParts) -> tuple[LeftOut, ...]:
    return tuple(replace(one, path=scrub(one.path)) for one in value) if parts.diffs else ()


def _blocks(value: tuple[Block, ...], parts: SharedParts) -> tuple[Block, ...]:
    """Keep what the model said and which tools it called; its thinking is nobody else's."""
    shown = (_block(block, parts) for block in value)
    return tuple(block for block in shown if block is not None)


def _block(block: Block, parts: SharedParts) -> Block | None:
    match block:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": scrub(text)}
        case {"type": "tool_use", "id": str(call), "name": str(name), "input": dict(given)}:
            call, name = scrub(call), scrub(name)
            return {"type": "tool_use", "id": call, "name": name, "input": _inputs(given, parts)}
        case _:
            return None


def _inputs(given: Mapping[str, Any], parts: SharedParts) -> dict[str, Any]:
    """Keep the arguments of a call that the link includes; of others not even their names."""
    shown: dict[str, Any] = {}
    for name, value in given.items():
        is_included = parts.commands if name in _COMMAND_INPUTS else parts.diffs
        if is_included and isinstance(value, str):
            shown[scrub(name)] = scrub(value)
        elif is_included and isinstance(value, bool | int):
            shown[scrub(name)] = value
    return shown


_title = _of("commands")
_command = _of("commands")
_NO_TEXT = _drop("")

DECISIONS: Final[Mapping[type, Decisions]] = MappingProxyType(
    {
        facts.TaskSubmitted: {
            "prompt": _prose,
            "repository": _repository,
            "model": _keep,
            "title": _prose,
            "effort": _keep,
            "budget": _budget,
            "policy": _keep,
            "rules": _drop(()),
            "attachments": _drop(()),
            "origin": _drop(None),  # another task's conversation and objects: not shared
            "environment": _drop(None),  # variables and hosts
            "environment_source": _keep,
        },
        facts.TaskInstructed: {"text": _prose, "mode": _keep, "attachments": _drop(())},
        facts.InstructionEdited: {"instruction": _keep, "text": _prose},
        facts.InstructionWithdrawn: {"instruction": _keep},
        facts.QuestionAnswered: {"request": _keep, "text": _prose},
        facts.ApprovalAnswered: {
            "request": _keep,
            "digest": _of("commands", then=_keep),  # else a command could be guessed and checked
            "verdict": _keep,
            "reason": _prose,
            "scope": _keep,
        },
        facts.BudgetRaised: {"cost_microusd": _of("costs", 0, then=_keep)},
        facts.EgressAllowed: {
            "host": _of("commands", then=_keep),
            "port": _of("commands", 0, then=_keep),
        },
        facts.TaskInterrupted: {},
        facts.TaskCancelled: {"reason": _prose},
        facts.TaskArchived: {},
        facts.MachineRequested: {
            "attempt": _keep,
            "name": _NO_TEXT,
            "region": _NO_TEXT,
            "guest": _keep,
            "deadline": _keep,
        },
        facts.MachineStarted: {
            "attempt": _keep,
            "machine": _NO_TEXT,
            "region": _NO_TEXT,
            "seconds": _keep,
        },
        facts.MachineRefused: {
            "attempt": _keep,
            "reason": _keep,
            "retry_at": _keep,
            "detail": _NO_TEXT,
        },
        facts.MachineLost: {
            "attempt": _keep,
            "reason": _keep,
            "retry_at": _keep,
            "detail": _NO_TEXT,
        },
        facts.MachineDestroyed: {
            "attempt": _keep,
            "machine": _NO_TEXT,
            "billed_seconds": _of("costs", 0.0, then=_keep),
            "cost_microusd": _of("costs", 0, then=_keep),
        },
        facts.TaskAbandoned: {"reason": _keep, "detail": _prose, "remedy": _prose},
        facts.AttemptStarted: {
            "attempt": _keep,
            "machine": _NO_TEXT,
            "build": _NO_TEXT,
            "sandbox": _NO_TEXT,
            "undone": _undone,
        },
        facts.WorkspacePrepared: {
            "commit": _keep,
            "base": _prose,
            "branch": _prose,
            "seconds": _keep,
            "snapshot": _NO_TEXT,
            "environment": _keep,
        },
        facts.EnvironmentPrepared: {
            "source": _keep,
            "definition": _drop(facts.EnvironmentDefinition()),  # variables and hosts
            "key": _NO_TEXT,
            "reason": _of("commands"),
            "cached": _keep,
            "exit_code": _keep,
            "seconds": _keep,
            "output": _of("outputs"),
            "is_truncated": _keep,
            "artifact": _drop(None),
            "problem": _of("outputs"),
            "changed": _of("diffs", ()),
        },
        facts.ModelRequested: {"turn": _keep, "model": _keep, "leaves_queued": _keep},
        facts.ModelReplied: {
            "turn": _keep,
            "stop_reason": _keep,
            "usage": _of("costs", facts.Usage(), then=_keep),
            "cost_microusd": _of("costs", 0, then=_keep),
            "blocks": _blocks,
            "model": _keep,
            "request": _NO_TEXT,
            "seconds": _keep,
            "blob": _drop(None),
            "prompt": _drop(None),
        },
        facts.ModelFailed: {
            "turn": _keep,
            "kind": _keep,
            "detail": _NO_TEXT,
            "retry_at": _keep,
        },
        facts.ContextCompacted: {
            "turn": _keep,
            "through": _keep,
            "summary": _NO_TEXT,
            "tokens_before": _keep,
            "tokens_after": _keep,
            "writer": _keep,
            "usage": _of("costs", facts.Usage(), then=_keep),
            "cost_microusd": _of("costs", 0, then=_keep),
            "model": _keep,
            "request": _NO_TEXT,
            "seconds": _keep,
        },
        facts.PlanUpdated: {"items": _plan},
        facts.EgressDenied: {
            "host": _of("commands", then=_keep),
            "port": _of("commands", 0, then=_keep),
            "count": _keep,
            "reason": _keep,
            "phase": _keep,
        },
        facts.QuestionAsked: {
            "request": _keep,
            "call": _keep,
            "text": _prose,
            "options": _prose,
        },
        facts.ApprovalRequested: {
            "request": _keep,
            "call": _keep,
            "tool": _keep,
            "title": _title,
            "digest": _of("commands", then=_keep),
            "covers": _command,
            "expires_at": _keep,
            "command": _command,
            "diff": _of("diffs"),
            "risks": _of("commands", ()),
        },
        facts.ToolStarted: {
            "call": _keep,
            "tool": _keep,
            "title": _title,
            "tree": _NO_TEXT,
            "command": _command,
        },
        facts.ToolCompleted: {
            "call": _keep,
            "output": _of("outputs"),
            "exit_code": _keep,
            "is_error": _keep,
            "is_truncated": _keep,
            "seconds": _keep,
            "diff": _of("diffs"),
            "artifact": _drop(None),
        },
        facts.ToolInterrupted: {"call": _keep, "reason": _keep},
        facts.SnapshotTaken: {
            "tree": _NO_TEXT,
            "pack": _drop(_NO_BLOB),
            "files": _keep,
            "insertions": _keep,
            "deletions": _keep,
            "left_out": _left_out,
            "guarded": _of("diffs", ()),
            "changes": _drop(None),
        },
        facts.BudgetExhausted: {
            "scope": _keep,
            "spent": _of("costs", 0, then=_keep),
            "limit": _of("costs", 0, then=_keep),
            "resets_at": _keep,
        },
        facts.ArtifactStored: {"name": _prose, "media_type": _keep, "blob": _drop(_NO_BLOB)},
        facts.BranchPushed: {"branch": _prose, "commit": _keep},
        facts.PullRequestOpened: {"number": _keep, "url": _address, "title": _prose},
        facts.TaskFinished: {"summary": _prose, "outcome": _keep},
        facts.TaskFailed: {"reason": _keep, "detail": _prose, "remedy": _prose},
        facts.AttemptEnded: {"attempt": _keep, "reason": _keep, "detail": _NO_TEXT},
        facts.TaskErased: {"reason": _NO_TEXT},
    }
)
