"""Before which tool calls a person is asked, and what their word is worth. Pure.

The sandbox is the wall: without network, and nothing but the workspace to write to. This is a
convenience on top of it, for what a person would rather see before it happens. A shell can say
anything in many ways, so what is called risky is found by how it is usually said.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    CallId,
    Policy,
    RequestId,
    TaskId,
    request_id,
)
from services.worker.calls import MUTATING, Call

Ruling = Literal["allowed", "ask", "wait", "denied", "expired"]

_BEGIN: Final = r"(?:^|[;&|(`]|\$\(|\b(?:sudo|env|xargs|nohup|time|exec|then|do|else)\s)\s*"
_GIT: Final = r"git\s+(?:[^|;&]*\s)?"
_RISKS: Final[Mapping[str, re.Pattern[str]]] = {
    covers: re.compile(_BEGIN + said, re.MULTILINE)
    for covers, said in {
        "deleting files": (
            r"(?:(?:rm|rmdir|shred|unlink)\s|find\s[^|;&]*(?:-delete|-exec\s+rm)\b)"
        ),
        "throwing work away": rf"{_GIT}(?:clean|reset\s+--hard|checkout\s+--|restore)\b",
        "pushing": rf"{_GIT}push\b",
        "reaching the network": (
            rf"(?:(?:curl|wget|ssh|scp|sftp|rsync|nc|ncat|telnet|ftp)\s"
            rf"|{_GIT}(?:clone|fetch|pull|ls-remote)\b)"
        ),
        "installing packages": (
            r"(?:(?:python3?\s+-m\s+)?pip3?\s+install|uv\s+(?:add|sync|pip\s+install)|poetry\s+add"
            r"|(?:npm|pnpm|yarn)\s+(?:i|ci|install|add)\b|apt(?:-get)?\s+(?:-\S+\s+)*install"
            r"|apk\s+add|(?:cargo|gem|go|brew|composer)\s+(?:install|add|get|require)\b)"
        ),
        "acting as root": r"(?:sudo|su|doas)\s",
    }.items()
}
_OUTSIDE: Final = "writing outside the workspace"
_REDIRECTED: Final = re.compile(r">>?\s*(/(?!dev/(?:null|stdout|stderr)\b)[^\s;&|]*)")
_OWN: Final = (PurePosixPath("/workspace"), PurePosixPath("/tmp"))  # noqa: S108 - the sandbox's own
_ANY: Final = "changing files and running commands"


class Wanted(msgspec.Struct, frozen=True):
    """What a call needs a person's leave for. `request` and `digest` are of this very call."""

    request: RequestId
    digest: str
    covers: str


class Consents(msgspec.Struct, frozen=True):
    """What was asked since the newest reply, and what a person said; `granted` for good."""

    asked: Mapping[RequestId, ApprovalRequested] = MappingProxyType({})
    said: Mapping[RequestId, ApprovalAnswered] = MappingProxyType({})
    granted: frozenset[str] = frozenset()

    @property
    def is_waiting(self) -> bool:
        """Whether something was asked that nobody has answered."""
        return any(request not in self.said for request in self.asked)


def wanted(policy: Policy, task: TaskId, call: Call, tree: str) -> Wanted | None:
    """Tell what a call needs leave for; None when it may run without. `tree`: what it changes."""
    covers = _covers(policy, call)
    if not covers:
        return None
    arguments = msgspec.json.encode(call.input, order="deterministic")
    said = b"\n".join((call.name.encode(), arguments, tree.encode()))
    digest = sha256(said).hexdigest()
    return Wanted(request_id(task, CallId(f"{call.id}\n{digest}")), digest, covers)


def rule(consents: Consents, want: Wanted, *, is_late: bool) -> Ruling:
    """Say what is to become of a call. `is_late`: what was asked is not open any more."""
    said = consents.said.get(want.request)
    if said is not None and said.digest == want.digest:
        return "allowed" if said.verdict == "allow" else "denied"
    if want.covers in consents.granted:
        return "allowed"
    if want.request not in consents.asked:
        return "ask"
    return "expired" if is_late else "wait"


def asked(consents: Consents, event: ApprovalRequested) -> Consents:
    """Take note of a request."""
    return replace(consents, asked=MappingProxyType({**consents.asked, event.request: event}))


def answered(consents: Consents, event: ApprovalAnswered) -> Consents:
    """Take note of an answer; the first one stands."""
    request = consents.asked.get(event.request)
    if event.request in consents.said:
        return consents
    consents = replace(consents, said=MappingProxyType({**consents.said, event.request: event}))
    if request is None or event.scope != "task" or event.verdict != "allow":
        return consents
    return replace(consents, granted=consents.granted | {request.covers})


def settled(consents: Consents, call: CallId) -> Consents:
    """Forget what was asked about a call that has ended."""
    left = {r: event for r, event in consents.asked.items() if event.call != call}
    return replace(consents, asked=MappingProxyType(left))


def anew(consents: Consents) -> Consents:
    """Begin again on another machine, which asks again what nobody has answered."""
    said = {r: event for r, event in consents.asked.items() if r in consents.said}
    return replace(consents, asked=MappingProxyType(said))


def _covers(policy: Policy, call: Call) -> str:
    if policy == "never" or call.name not in MUTATING:
        return ""
    if policy == "always":
        return _ANY
    return _risk_of(call.name, call.input)


def _risk_of(tool: str, arguments: Mapping[str, Any]) -> str:
    if tool != "bash":
        return "" if _is_inside(str(arguments.get("path", ""))) else _OUTSIDE
    command = str(arguments.get("command", ""))
    for covers, pattern in _RISKS.items():
        if pattern.search(command):
            return covers
    targets = _REDIRECTED.findall(command)
    return "" if all(_is_inside(target) for target in targets) else _OUTSIDE


def _is_inside(path: str) -> bool:
    """Tell whether a path, as it is written, stays in the workspace."""
    place = PurePosixPath(path)
    if place.is_absolute():
        own = next((folder for folder in _OWN if place.is_relative_to(folder)), None)
        if own is None:
            return False
        place = place.relative_to(own)
    depth = 0
    for part in place.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True
