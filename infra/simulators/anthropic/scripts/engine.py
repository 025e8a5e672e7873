"""Plays a script against what the tools really returned.

Stateless: where a script stands is folded from the errand alone, so the same history gets the same
reply. A call whose result says it was interrupted is made again, and so is one whose effect a
notice of the caller's says may be lost. Where no branch fits what came back, the reply says so and
ends: nothing is claimed that a tool has not shown.

Beside what was captured, `<<…>>` knows: call (the number of the next call, from 1), calls (how many
are completed), number (call in four digits), prompt, and output.NAME (the end of what the last call
of that name returned).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from infra.simulators.anthropic.scripts.conversation import PLACE_MARK, Call, Errand, Result, Turn
from infra.simulators.anthropic.scripts.script import PLACE, Branch, Condition, Script, Step

MAX_REPEATS = 5
CHANGING_TOOLS = frozenset({"bash", "write", "edit"})
_SHOWN_CHARS = 600


@dataclass(frozen=True)
class Move:
    """A reply in the making: a thought, words, and calls; without calls the errand is over."""

    say: str
    think: str = ""
    calls: tuple[Call, ...] = ()


@dataclass
class _Place:
    """Position in a script: its step, the calls of that step, and what it has learnt."""

    name: str
    variables: dict[str, str]
    planned: dict[str, Call] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    visits: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    repeats: int = 0
    lost: str = ""


def play(
    scripts: Sequence[Script],
    errand: Errand,
    offered: set[str],
    *,
    is_parallel: bool = True,
) -> Move:
    """Return the next reply to the errand; `offered` are the tools the caller has.

    With `is_parallel` False at most one call is made a reply.
    """
    for script in scripts:
        found = _first_match(script.match, errand.prompt)
        if found is None:
            continue
        missing = sorted(script.tools - offered)
        if missing:
            return Move(
                f"I could not begin: this sample task needs the tools {', '.join(missing)}, and "
                "they are not offered here."
            )
        place = _fold(script, errand, _named(found))
        if errand.wants_summary:
            return Move(_summary(script, place))
        return _acknowledge(errand, _move(script, place, is_parallel=is_parallel))
    return Move(_unknown(scripts))


def _fold(script: Script, errand: Errand, captured: Mapping[str, str]) -> _Place:
    place = _Place(name=script.first, variables={**captured, "prompt": errand.prompt})
    kept = _kept_place(script, errand.place)
    if kept is None:
        _enter(script, place, script.first)
    else:
        place.variables |= kept.variables
        place.completed = kept.completed
        _enter(script, place, kept.step)
        place.visits = Counter(kept.visits)
    for turn in errand.turns:
        _take(script, place, turn)
    return place


class _KeptPlace(msgspec.Struct):
    """A place as a summary keeps it: its step has made no call yet."""

    script: str
    step: str
    completed: int
    visits: dict[str, int]
    variables: dict[str, str]


def _kept_place(script: Script, text: str) -> _KeptPlace | None:
    try:
        kept = msgspec.json.decode(text, type=_KeptPlace)
    except msgspec.DecodeError:
        return None
    return kept if kept.script == script.name and kept.step in script.steps else None


def _summary(script: Script, place: _Place) -> str:
    """Write down where the script is; what was said and returned on the way is not needed."""
    variables = {name: value for name, value in place.variables.items() if name != "prompt"}
    kept = _KeptPlace(script.name, place.name, place.completed, dict(place.visits), variables)
    return (
        f"I play the sample task `{script.name}`. {place.completed} calls are made.\n\n"
        f"{PLACE_MARK}{msgspec.json.encode(kept).decode()}"
    )


def _enter(script: Script, place: _Place, name: str) -> None:
    place.name = name
    place.visits[name] += 1
    place.repeats = 0
    place.variables |= {
        "calls": str(place.completed),
        "call": str(place.completed + 1),
        "number": f"{place.completed + 1:04}",
    }
    place.results = {}
    place.planned = {
        call.label: Call(call.tool, _filled(call.input, place.variables))
        for call in script.steps[name].calls
    }


def _take(script: Script, place: _Place, turn: Turn) -> None:
    """Advance by one turn: file the results, and go on when the step has all of its own."""
    if place.lost:
        return
    repeats = place.repeats
    for call, result in turn.answers:
        label = next((k for k in _pending(place) if place.planned[k] == call), None)
        if label is None:
            place.lost = (
                f"go on: the history has a call of `{call.tool}` which this sample task did not "
                "make, so another model began this work."
            )
            return
        is_lost = turn.effects_may_be_lost and call.tool in CHANGING_TOOLS
        if result.was_interrupted or is_lost:
            place.repeats = repeats + 1  # once a reply, however many of its calls
        else:
            place.results[label] = result
            place.completed += 1
            place.variables[f"output.{label}"] = _ending(result)
    if place.repeats >= MAX_REPEATS:
        place.lost = f"go on: a call was interrupted {place.repeats} times."
    elif place.planned and not _pending(place):
        _branch(script, place)


def _branch(script: Script, place: _Place) -> None:
    step = script.steps[place.name]
    for capture in step.captures:
        found = re.search(capture.pattern, place.results[capture.call].content)
        place.variables |= _named(found) if found else {}
    for branch in step.next:
        learnt = _holds(place, branch)
        if learnt is not None:
            place.variables |= learnt
            place.variables |= {
                key: _fill(value, place.variables) for key, value in branch.set.items()
            }
            _enter(script, place, branch.go)
            return
    place.lost = f"{_fill(step.aim, place.variables)}. {_tool_outputs(place)}"


def _holds(place: _Place, branch: Branch) -> dict[str, str] | None:
    """Return what the branch's conditions capture, or None when one does not hold."""
    learnt: dict[str, str] = {}
    for condition in branch.when:
        text = place.variables.get(condition.variable, "")
        if condition.call:
            result = place.results[condition.call]
            text = result.content
            if condition.exit_code is not None and result.exit_code != condition.exit_code:
                return None
            if condition.failed is not None and result.is_error != condition.failed:
                return None
        if not _counts_hold(place, branch, condition):
            return None
        if condition.lacks is not None and re.search(_pattern(condition.lacks, place), text):
            return None
        if condition.matches is not None:
            found = re.search(_pattern(condition.matches, place), text)
            if found is None:
                return None
            learnt |= _named(found)
    return learnt


def _counts_hold(place: _Place, branch: Branch, condition: Condition) -> bool:
    if condition.visits_below is not None:
        limit = int(_fill(str(condition.visits_below), place.variables))
        if place.visits[branch.go] >= limit:
            return False
    if condition.calls_below is None:
        return True
    return place.completed < int(_fill(str(condition.calls_below), place.variables))


def _move(script: Script, place: _Place, *, is_parallel: bool) -> Move:
    if place.lost:
        return Move(f"I could not {place.lost}")
    step: Step = script.steps[place.name]
    pending = _pending(place)
    calls = tuple(place.planned[label] for label in pending)
    think, say = _fill(step.think, place.variables), _fill(step.say, place.variables)
    if place.repeats:
        think, say = "What a call did may be lost, or never happened. I make it again.", ""
    elif len(calls) < len(place.planned):
        think, say = "", ""
    return Move(say, think, calls if is_parallel else calls[:1])


def _acknowledge(errand: Errand, move: Move) -> Move:
    words = errand.turns[-1].words if errand.turns else ""
    if not words:
        return move
    heard = f'I read your word: "{words}". As the rehearsal model I can only follow my script.'
    return Move(f"{heard}\n\n{move.say}".strip(), move.think, move.calls)


def _unknown(scripts: Iterable[Script]) -> str:
    known = "\n".join(f"- {script.example}" for script in scripts)
    return (
        "This is the rehearsal model. It does not think: it plays a few sample tasks, and what you "
        f"ask is not one of them. It knows:\n\n{known}\n\nFor real work, set ANTHROPIC_API_KEY to "
        "your key (or ANTHROPIC_BASE_URL to any server that speaks the Messages API) and start "
        "Errand again."
    )


def _pending(place: _Place) -> list[str]:
    return [label for label in place.planned if label not in place.results]


def _tool_outputs(place: _Place) -> str:
    """Return what the tools said, for a reply that gives up."""
    parts = [
        f"`{place.planned[label].tool}` answered:\n\n{_ending(result)}"
        for label, result in place.results.items()
        if place.planned[label].tool != "plan"
    ]
    return "\n\n".join([*parts, "I submit nothing."])


def _ending(result: Result) -> str:
    text = result.text.strip()
    return text if len(text) <= _SHOWN_CHARS else "… " + text[-_SHOWN_CHARS:]


def _first_match(patterns: Iterable[str], text: str) -> re.Match[str] | None:
    return next((found for p in patterns if (found := re.search(p, text))), None)


def _named(found: re.Match[str]) -> dict[str, str]:
    return {key: value for key, value in found.groupdict().items() if value is not None}


def _fill(text: str, variables: Mapping[str, str]) -> str:
    return PLACE.sub(lambda found: variables.get(found.group(1), ""), text)


def _pattern(pattern: str, place: _Place) -> str:
    return PLACE.sub(lambda found: re.escape(place.variables.get(found.group(1), "")), pattern)


def _filled(value: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, str):
        return _fill(value, variables)
    if isinstance(value, dict):
        return {key: _filled(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables) for inner in value]
    return value
