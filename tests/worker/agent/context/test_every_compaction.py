"""Laws of compaction: whatever was said and whenever it happens, nothing of a person is lost."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from events import (
    ContextCompacted,
    InstructionEdited,
    InstructionWithdrawn,
    PlanItem,
    PlanUpdated,
    QuestionAnswered,
    QuestionAsked,
    RequestId,
    TaskInstructed,
    ToolInterrupted,
)
from services.worker.agent.messages import build_messages, build_summary_request
from tests.kit.build.worker_history import (
    PREPARED,
    SUBMITTED,
    began,
    ended,
    history,
    replied,
    requested,
    started,
)

KINDS = st.sampled_from(
    (
        "turn",
        "two calls",
        "cut off",
        "words",
        "steer",
        "queue",
        "edit",
        "withdraw",
        "question",
        "plan",
        "machine",
        "compaction",
    )
)


class Story:
    """A history as a worker and a person write it, and what of it must reach the model."""

    def __init__(self) -> None:
        self.events = [SUBMITTED, started(), PREPARED, requested(1)]
        self.turn = 0
        self.attempt = 1
        self.said: dict[int, str] = {}
        self.waiting: list[int] = []
        self.queued: set[int] = set()
        self.answers: list[str] = []
        self.plan = ""
        self.compactions = 0
        self.old_outputs: list[str] = []
        self.outputs: list[str] = []

    def add(self, kind: str, number: int) -> None:
        match kind:
            case "turn" | "two calls" | "cut off" | "words":
                self._turn(kind, number)
            case "steer" | "queue":
                text = f"[instruction {number}]"
                self._append(TaskInstructed(text=text, mode=kind))
                self.said[len(self.events)] = text
                if kind == "queue":
                    self.queued.add(len(self.events))
                self.waiting.append(len(self.events))
            case "edit" if self.waiting:
                self.said[self.waiting[-1]] = f"[edited {number}]"
                self._append(
                    InstructionEdited(instruction=self.waiting[-1], text=f"[edited {number}]")
                )
            case "withdraw" if self.waiting:
                gone = self.waiting.pop()
                del self.said[gone]
                self._append(InstructionWithdrawn(instruction=gone))
            case "question":
                self._question(number)
            case "plan":
                self.plan = f"[plan {number}]"
                self._append(PlanUpdated(items=(PlanItem(self.plan, "active"),)))
            case "machine":
                self.attempt += 1
                self._append(started(self.attempt), PREPARED)
            case "compaction" if self.turn:
                self._compact(number)
            case _:
                pass

    def request(self) -> None:
        self._append(requested(self.turn + 1))
        self.waiting = []

    def _append(self, *events) -> None:
        self.events += events

    def _turn(self, kind: str, number: int) -> None:
        self.turn += 1
        names = [f"c{number}"] if kind == "turn" else [f"c{number}", f"d{number}"]
        if kind == "words":
            self._append(replied(text=f"[words {number}]", turn=self.turn))
            self.add("steer", number)  # else nobody would ask the model again
            return self.request()
        self._append(replied(*((n, "read", {"path": "x"}) for n in names), turn=self.turn))
        self.old_outputs, self.outputs = [*self.old_outputs, *self.outputs], []
        for name in names:
            self._append(began(name, "read"))
            if kind == "cut off" and name == names[-1]:
                self._append(ToolInterrupted(call=name, reason="interrupted"))
            else:
                self.outputs.append(f"[output {name}]")
                self._append(ended(name, self.outputs[-1]))
        return self.request()

    def _question(self, number: int) -> None:
        self.turn += 1
        name, request = f"q{number}", RequestId(f"r{number}")
        self.answers.append(f"[answer {number}]")
        self._append(
            replied((name, "ask", {"question": f"[question {number}]"}), turn=self.turn),
            began(name, "ask"),
            QuestionAsked(request=request, call=name, text=f"[question {number}]"),
            QuestionAnswered(request=request, text=self.answers[-1]),
            ended(name, self.answers[-1]),
        )
        self.request()

    def _compact(self, number: int) -> None:
        self.turn += 1
        name = f"e{number}"
        self.old_outputs, self.outputs = [*self.old_outputs, *self.outputs], []
        self._append(
            replied((name, "read", {"path": "y"}), turn=self.turn),
            began(name, "read"),
            ended(name, f"[unread {number}]"),
            ContextCompacted(
                turn=self.turn + 1,
                through=len(self.events) + 3,
                summary=f"[summary {number}]",
                tokens_before=9,
                tokens_after=1,
            ),
        )
        self.compactions += 1
        self.request()


def told(kinds: list[str]) -> Story:
    story = Story()
    for number, kind in enumerate(kinds):
        story.add(kind, number)
    story.request()
    return story


def words_of(messages) -> str:
    blocks = [block for message in messages for block in message["content"]]
    return "\n".join(str(block.get("text") or block.get("content") or "") for block in blocks)


@settings(max_examples=40)
@given(st.lists(KINDS, max_size=12))
def test_nothing_that_a_person_said_is_lost_and_each_is_there_once(kinds):
    story = told(kinds)
    words = words_of(build_messages(history(*story.events)))

    assert words.count(SUBMITTED.prompt) == 1
    for version, text in story.said.items():
        assert words.count(text) <= 1
        assert words.count(text) == 1 or version in story.queued  # it waits for the end of a work
    for answer in story.answers:
        assert answer in words
    if story.compactions and story.plan and "plan" not in kinds[_last(kinds, "compaction") :]:
        assert story.plan in words


@settings(max_examples=40)
@given(st.lists(KINDS, max_size=12))
def test_the_messages_keep_to_the_rules_of_the_api_with_every_result_read_once(kinds):
    story = told([*kinds, "turn", "compaction"])
    recorded = history(*story.events)

    for length in range(4, len(recorded) + 1):
        check(build_messages(recorded[:length]))
    words = words_of(build_messages(recorded))
    assert f"[unread {len(kinds) + 1}]" in words
    assert f"[summary {len(kinds) + 1}]" in words
    for output in story.old_outputs:
        assert output not in words


@settings(max_examples=40)
@given(st.lists(KINDS, max_size=12))
def test_between_compactions_what_was_sent_is_only_added_to(kinds):
    recorded = history(*told(kinds).events)
    earlier: list = []
    for length in range(1, len(recorded) + 1):
        if isinstance(recorded[length - 1].event, ContextCompacted):
            earlier = []
            continue
        now = build_messages(recorded[:length])
        for before, after in zip(earlier, now, strict=False):
            assert after["content"][: len(before["content"])] == before["content"]
        assert len(now) >= len(earlier)
        earlier = now


@settings(max_examples=40)
@given(st.lists(KINDS, max_size=12))
def test_a_request_for_a_summary_is_the_conversation_and_one_thing_more(kinds):
    recorded = history(*told([*kinds, "turn"]).events[:-2])
    sent, asked = build_messages(recorded), build_summary_request(recorded)

    assert asked[: len(sent) - 1] == sent[:-1]
    assert asked[len(sent) - 1]["content"][: len(sent[-1]["content"])] == sent[-1]["content"]
    assert "summarize" in words_of(asked[-1:])
    check(asked)


def check(sent) -> None:
    assert sent[0]["role"] == "user"
    calls: list[str] = []
    for before, after in itertools.pairwise(sent):
        assert before["role"] != after["role"]
        calls = [b["id"] for b in before["content"] if b["type"] == "tool_use"]
        results = [b["tool_use_id"] for b in after["content"] if b["type"] == "tool_result"]
        assert results == calls
    assert not any(b["type"] == "tool_result" for b in sent[0]["content"])


def _last(kinds, kind) -> int:
    return max(at for at, each in enumerate(kinds) if each == kind)
