"""Rules of approval for one task: the calls to allow, to ask about and to refuse. Pure.

A script is judged command by command, each by the first rule that matches it, else by the task's
policy; the strictest verdict holds for the whole script. A rule to ask or deny matches a command
that does any of what it names, a rule to allow one that does nothing else. Rules are about calls
that change files or run commands; they are a convenience on top of the sandbox, not the wall.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from events import ApprovalRule
from services.worker.agent.approvals.risks import THIS_ALONE, files_changed_by
from services.worker.agent.approvals.shell_parser import (
    SimpleCommand,
    UnreadableScript,
    simple_commands,
)
from services.worker.agent.tool_calls import Call

Verdict = Literal["allow", "ask", "deny"]

_STRICTNESS: Final[Sequence[Verdict]] = ("allow", "ask", "deny")
_SUBJECTS: Final = {
    "tool": "using {}",
    "command": "running {}",
    "path": "changing {}",
    "host": "reaching {}",
}
_HOST: Final = re.compile(r"(?:[\w.-]+@)?((?:[\w-]+\.)+[a-z]{2,}|localhost|\d+(?:\.\d+){3})[:/]?.*")


class Ruling(msgspec.Struct, frozen=True):
    """Ruling on a call by rules. `reasons` name, for people, the rules that ask or deny.

    `rest`: the parts of the call that no rule decides, and the policy therefore does.
    """

    verdict: Verdict = "allow"
    reasons: tuple[str, ...] = ()
    rest: tuple[Call, ...] = ()


class _Part(msgspec.Struct, frozen=True):
    """One part of a call: a file that is changed, or a command of a script."""

    call: Call
    command: str = ""
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def rule_on(rules: Sequence[ApprovalRule], call: Call) -> Ruling:
    """Return the ruling of the rules on a call. Without rules all of it is left to the policy."""
    if not rules:
        return Ruling(rest=(call,))
    try:
        parts = list(_parts(call))
    except UnreadableScript:
        return _unreadable(rules, call)
    verdicts: list[Verdict] = ["allow"]
    reasons: list[str] = []
    rest: list[Call] = []
    for part in parts:
        rule = next((each for each in rules if _matches(each, part)), None)
        if rule is None:
            rest.append(part.call)
        elif rule.verdict != "allow":
            verdicts.append(rule.verdict)
            reasons.append(words_for(rule))
    if _is_path_hidden(rules, parts):
        verdicts.append("ask")
        reasons.append(THIS_ALONE)
    if len(rest) == len(parts):
        rest = [call]
    strictest = max(verdicts, key=_STRICTNESS.index)
    return Ruling(strictest, tuple(dict.fromkeys(reasons)), tuple(rest))


def words_for(rule: ApprovalRule) -> str:
    """Return a rule in a few words: `running git push`."""
    return _SUBJECTS[rule.subject].format(rule.pattern)


def _unreadable(rules: Sequence[ApprovalRule], call: Call) -> Ruling:
    """Rule on a script whose commands cannot be told: ask where it might be one to ask about."""
    for rule in rules:
        if rule.subject == "tool" and fnmatchcase(call.name, rule.pattern):
            reasons = () if rule.verdict == "allow" else (words_for(rule),)
            return Ruling(rule.verdict, reasons)
        if rule.verdict != "allow":
            return Ruling("ask", (THIS_ALONE,))
    return Ruling(rest=(call,))


def _parts(call: Call) -> Iterator[_Part]:
    script, path = call.input.get("command"), call.input.get("path")
    if call.name == "bash" and isinstance(script, str):
        for command in simple_commands(script):
            words = " ".join((command.program, *command.arguments))
            own = Call(call.id, call.name, {"command": _quoted(command)})
            paths = tuple(map(_in_workspace, files_changed_by(command)))
            yield _Part(own, words, paths, tuple(_hosts(command.arguments)))
    else:
        yield _Part(call, paths=(_in_workspace(path),) if isinstance(path, str) else ())


def _quoted(command: SimpleCommand) -> str:
    """Return a command as a script of its own, to be judged by the policy."""
    words = (command.program, *command.arguments)
    quoted = (f"'{word}'" if "'" not in word else f'"{word}"' for word in words)
    return " ".join([*quoted, *(f"> '{target}'" for target in command.targets)])


def _in_workspace(path: str) -> str:
    place = posixpath.normpath(path)
    return place.removeprefix("/workspace/")


def _hosts(arguments: Sequence[str]) -> Iterator[str]:
    for word in arguments:
        host = urlsplit(word).hostname if "://" in word else None
        found = _HOST.fullmatch(word) if host is None else None
        if host or found:
            yield (host or (found[1] if found else "")).lower()


def _matches(rule: ApprovalRule, part: _Part) -> bool:
    found: list[bool] = []
    match rule.subject:
        case "tool":
            found = [fnmatchcase(part.call.name, rule.pattern)]
        case "command":
            found = [_begins(part.command, rule.pattern, " ")] if part.command else []
        case "path":
            found = [_begins(path, rule.pattern, "/") for path in part.paths]
        case "host":
            found = [fnmatchcase(host, rule.pattern.lower()) for host in part.hosts]
    return bool(found) and (all(found) if rule.verdict == "allow" else any(found))


def _begins(text: str, pattern: str, separator: str) -> bool:
    """Return whether a pattern matches the text, or a beginning of it up to a separator."""
    pattern = pattern.rstrip(separator)
    return fnmatchcase(text, pattern) or fnmatchcase(text, f"{pattern}{separator}*")


def _is_path_hidden(rules: Sequence[ApprovalRule], parts: Sequence[_Part]) -> bool:
    """Return whether a script goes to another directory, so that its paths say little."""
    is_asked = any(rule.subject == "path" and rule.verdict != "allow" for rule in rules)
    moves = any(part.command.split(" ")[0] in ("cd", "pushd") for part in parts)
    return is_asked and moves and any(part.paths for part in parts)
