"""Scripts: sample tasks as data, one TOML file each in scripts/; `engine` plays them.

A script is a graph of steps. A step says something and calls tools; when all results are there, the
first branch in `next` whose conditions all hold is taken. A step without calls ends the errand.
In every text `<<name>>` stands for what was captured under that name (engine lists the rest).
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from typing import Any

import msgspec

PLACE = re.compile(r"<<([a-z0-9_.]+)>>")
BUILT_IN = ("call", "calls", "number", "prompt")
_GROUP = re.compile(r"\(\?P<([a-z0-9_]+)>")


class BadScript(Exception):
    """A script cannot be played; the text says which, where and why."""


class Planned(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A tool call to make; `name` tells it from the step's others and is the tool's by default."""

    tool: str
    input: dict[str, Any]
    name: str = ""

    @property
    def label(self) -> str:
        """The name conditions and captures know the call by."""
        return self.name or self.tool


class Condition(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Conditions that must all hold. Patterns are regular expressions, searched for.

    About a call's result: `call` with matches, lacks, exit_code, failed. About something captured:
    `variable` with matches, lacks. About the road so far: `calls_below` (completed calls),
    `visits_below` (times the branch's step was entered).
    """

    call: str = ""
    variable: str = ""
    matches: str | None = None
    lacks: str | None = None
    exit_code: int | None = None
    failed: bool | None = None
    calls_below: str | int | None = None
    visits_below: str | int | None = None


class Capture(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Named groups of `pattern` to remember from a call's result, where it is found."""

    call: str
    pattern: str


class Branch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The step to go to when all of `when` hold; named groups of `matches` are remembered."""

    go: str
    when: tuple[Condition, ...] = ()
    set: dict[str, str] = {}


class Step(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One reply. `aim` completes "I could not …", said when no branch fits what came back."""

    aim: str = "go on"
    think: str = ""
    say: str = ""
    calls: tuple[Planned, ...] = ()
    captures: tuple[Capture, ...] = ()
    next: tuple[Branch, ...] = ()


class Script(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One sample task: the prompts it knows (any of `match`), an example of one, and its steps."""

    name: str
    example: str
    match: tuple[str, ...]
    first: str
    steps: dict[str, Step]

    @property
    def tools(self) -> set[str]:
        """The tools the script may call."""
        return {call.tool for step in self.steps.values() for call in step.calls}


def load(folder: Traversable) -> list[Script]:
    """Read every *.toml of the folder, in the order of their names; raises BadScript."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=_name)
    return [read(file.read_text(encoding="utf-8"), file.name) for file in files]


def read(text: str, name: str) -> Script:
    """Read one script and check that it can be played to an end; raises BadScript."""
    try:
        script = msgspec.convert(tomllib.loads(text), Script)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadScript(f"{name}: {error}") from None
    for fault in _faults(script):
        raise BadScript(f"{name}: {fault}")
    return script


def _name(file: Traversable) -> str:
    return file.name


def _faults(script: Script) -> Iterator[str]:
    if script.first not in script.steps:
        yield f"first: there is no step {script.first!r}"
    yield from _bad_patterns("match", script.match)
    for place in sorted(_places(script) - _known(script)):
        yield f"nothing is ever captured as {place!r}"
    for name, step in script.steps.items():
        labels = [call.label for call in step.calls]
        if len(set(labels)) < len(labels):
            yield f"{name}: two calls have one name"
        if not step.calls and step.next:
            yield f"{name}: a step without calls ends the errand and goes nowhere"
        for branch in step.next:
            if branch.go not in script.steps:
                yield f"{name}: there is no step {branch.go!r}"
            for condition in branch.when:
                if condition.call and condition.call not in labels:
                    yield f"{name}: there is no call {condition.call!r}"
                yield from _bad_patterns(name, [condition.matches or "", condition.lacks or ""])
        for capture in step.captures:
            if capture.call not in labels:
                yield f"{name}: there is no call {capture.call!r}"
            yield from _bad_patterns(name, [capture.pattern])


def _places(script: Script) -> set[str]:
    """Collect every name that stands between << and >>."""
    return set(PLACE.findall(msgspec.json.encode(script).decode()))


def _known(script: Script) -> set[str]:
    patterns = [*script.match]
    known = set(BUILT_IN)
    for step in script.steps.values():
        known |= {f"output.{call.label}" for call in step.calls}
        patterns += [capture.pattern for capture in step.captures]
        for branch in step.next:
            known |= branch.set.keys()
            patterns += [condition.matches or "" for condition in branch.when]
    return known | {name for pattern in patterns for name in _GROUP.findall(pattern)}


def _bad_patterns(where: str, patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        try:
            re.compile(PLACE.sub("x", pattern))
        except re.error as error:
            yield f"{where}: {pattern!r}: {error}"
