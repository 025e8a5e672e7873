"""A history as the messages of the Messages API. Pure.

What was sent once is never changed, only added to: thinking blocks are bound to what came before
them. Source of the shapes: Anthropic's "Messages API".
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    Attachment,
    AttemptStarted,
    Block,
    CallId,
    ContextCompacted,
    EnvironmentPrepared,
    InstructionEdited,
    InstructionWithdrawn,
    LeftOut,
    ModelReplied,
    ModelRequested,
    PlanUpdated,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    UndoneCall,
)
from services.worker.agent.context import summary
from services.worker.agent.context.summary import PersonalRecord
from services.worker.agent.evolve import evolve
from services.worker.agent.failures.repetition import GO_ON, STOP, choice_of, is_loop_question
from services.worker.agent.state import AgentState, Attempt
from services.worker.agent.text.environment_report import environment_notice
from services.worker.agent.text.fork_origin import account_of_origin
from services.worker.agent.text.left_out import left_out_lines
from services.worker.agent.tool_calls import WHOLE, calls_of, is_call, text_of, wants_more

Message = dict[str, Any]

ATTACHED: Final = "attached"
"""The source of an image that stands in the object store: its content is filled in later."""

_NEW_MACHINE: Final = (
    "A new machine has taken this task over. Shell state, background processes and files that are "
    "not part of the work are gone."
)
_KEPT: Final = "All other files are as your last call left them."
_UNDONE: Final = (
    "The files are as they were before the following calls. What these changed is undone:"
)
_REDO: Final = "Look at the files, and do again what is still needed, before you go on."
_STOPPED: Final = {
    "machine_lost": "the machine was lost while the call ran",
    "drained": "the machine had to stop while the call ran",
    "deadline": "the machine's time was up while the call ran",
    "gateway_unreachable": "the machine lost its connection while the call ran",
    "object_store_unreachable": "the machine could not store its work while the call ran",
    "gateway_refused": "the machine could not go on while the call ran",
}
_ENDED: Final = {
    "interrupted": "the person stopped it",
    "cancelled": "the person cancelled the task",
    "abandoned": "the task was given up because its machines kept failing",
    "failed": "the task had ended before",
    "finished": "the task had ended before",
    "not_run": "a call before it was cut off, or its work was lost",
}
_WHY: Final = {**_STOPPED, **_ENDED}
_THINKING: Final = frozenset({"thinking", "redacted_thinking"})
_CUT: Final = (
    "[Your reply reached the limit of its length and was cut. Go on from there, in smaller steps.]"
)
_NO_CALL: Final = "[You announced a tool call, but your reply holds none. Make the call.]"
_GO_ON: Final = "[Go on.]"
_WENT_ON: Final = (
    "[You made the same calls again and again, with the same results. The person was asked, and "
    "wants you to go on: take another way, if this one leads nowhere.]"
)
_EMPTY: Final = (
    "[Your reply was empty. Go on with the work; when it is done, call submit, or say in a few "
    "words what you found.]"
)
_PROMPT: Final = 0
"""The key of the prompt among the instructions: no instruction has this version."""

_ORIGIN: Final = -1
"""The key of the account that a fork begins with: it stands before the prompt."""

_NOT_RUN: Final = "Not run: the reply was cut before it was complete."


class _Instruction(NamedTuple):
    """A prompt, an instruction or a notice, with its images."""

    text: str
    images: Sequence[Attachment] = ()

    def blocks(self) -> Iterator[Block]:
        """Yield the images, and the text after them: the model reads best in this order."""
        for image in self.images:
            source = {
                "type": ATTACHED,
                "media_type": image.media_type,
                "key": image.key,
                "sha256": image.sha256,
            }
            yield {"type": "image", "source": source}
        yield {"type": "text", "text": self.text}


class Conversation:
    """The messages so far, and what waits for the next of them: instructions by their versions."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.results: dict[CallId, Block] = {}
        self.notices: list[str] = []
        self.undone: list[UndoneCall] = []
        self.steers: dict[int, _Instruction] = {}
        self.queued: dict[int, _Instruction] = {}
        self.nudge = ""
        self.has_begun = False
        self.taken: list[_Instruction] = []
        self.record = PersonalRecord()

    def add_event(self, recorded: Recorded, state: AgentState) -> None:
        """Add an event; `state` is where the task stood before it."""
        match recorded.event:
            case TaskSubmitted(prompt=text, attachments=images, origin=origin):
                if origin is not None:
                    self.steers[_ORIGIN] = _Instruction(account_of_origin(origin))
                self.steers[_PROMPT] = _Instruction(text, images)
            case TaskInstructed(text=text, mode=mode, attachments=images):
                waiting = self.steers if mode == "steer" else self.queued
                waiting[recorded.version] = _Instruction(text, images)
            case InstructionEdited(instruction=instruction, text=text):
                for waiting in (self.steers, self.queued):
                    if instruction in waiting:
                        waiting[instruction] = waiting[instruction]._replace(text=text)
            case InstructionWithdrawn(instruction=instruction):
                self.steers.pop(instruction, None)
                self.queued.pop(instruction, None)
            case ToolCompleted(call=call, output=output, is_error=is_error):
                self.results[call] = _result(call, output or "(no output)", is_error=is_error)
            case ToolInterrupted(call=call, reason=reason):
                self.results[call] = _result(
                    call, _interruption(state, call, reason), is_error=True
                )
            case AttemptStarted() if self.has_begun:
                self.undone += state.undone
                self.notices = [self._takeover(state.workspace.left_out)]
            case EnvironmentPrepared():
                self.notices += filter(None, [environment_notice(recorded.event)])
            case ModelReplied():
                self._reply(recorded.event)
            case ContextCompacted():
                self._compact(recorded.event)
            case _:
                self._keep(recorded)

    def _keep(self, recorded: Recorded) -> None:
        """Keep what no summary may lose: answers of people, and the plan."""
        record = self.record
        match recorded.event:
            case PlanUpdated(items=items):
                record.plan = items
            case QuestionAsked(request=request, call=call) if is_loop_question(call):
                record.loops.add(request)
            case QuestionAnswered(request=request, text=text) if request in record.loops:
                self._answer_loop(recorded.version, text)
            case QuestionAsked(request=request, text=text):
                record.questions[request] = text
            case ApprovalRequested(request=request, title=title):
                record.questions[request] = title
            case QuestionAnswered(request=request, text=text):
                record.answers.append((record.questions.get(request, ""), text))
            case ApprovalAnswered(request=request, verdict="deny", reason=reason):
                record.refusals.append(f"- {record.questions.get(request, '')} {reason}".rstrip())
            case _:
                pass

    def _answer_loop(self, version: int, text: str) -> None:
        choice = choice_of(text)
        if choice != STOP:
            self.steers[version] = _Instruction(_WENT_ON if choice == GO_ON else text)

    def _compact(self, event: ContextCompacted) -> None:
        """Put the person's messages and the summary in place of all messages so far."""
        calls = self._last_calls()
        results = {each["tool_use_id"]: each for each in self._owed_results()}
        text = summary.summary_text(
            event, self.record, [(call, results[call["id"]]) for call in calls]
        )
        content = [block for each in self.taken for block in each.blocks()]
        content.append({"type": "text", "text": text})
        self.messages = [{"role": "user", "content": content}]
        self.results, self.nudge = {}, ""

    def _reply(self, event: ModelReplied) -> None:
        content = sendable_blocks(event.blocks, event.stop_reason)
        if content:
            self.messages.append({"role": "assistant", "content": content})
            self.has_begun = True
        self.nudge = nudge(event)

    def add_user_message(self, *, with_queued: bool) -> None:
        """Add what waits to the user's message: results first, then what people said."""
        queued = self.queued.values() if with_queued else ()
        said = [*self.steers.values(), *queued, *map(_Instruction, self.notices)]
        self.taken += [each for name, each in self.steers.items() if name != _ORIGIN]
        self.taken += queued
        content = [*self._owed_results(), *(block for each in said for block in each.blocks())]
        if self.nudge and not said:
            content.append({"type": "text", "text": self.nudge})
        self.results, self.notices, self.steers, self.undone = {}, [], {}, []
        self.nudge = ""
        if with_queued:
            self.queued = {}
        self._add(content)

    def add_summary_request(self) -> None:
        """Ask for a summary of all that was sent, and of the results after it."""
        self._add([*self._owed_results(), {"type": "text", "text": summary.REQUEST}])

    def _add(self, content: list[Block]) -> None:
        if not content:
            return
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages[-1]["content"] += content
        else:
            self.messages.append({"role": "user", "content": content})

    def _takeover(self, left_out: Sequence[LeftOut]) -> str:
        """Return what a new machine does not have, and each call whose work is undone, in order."""
        gone = [f"[{_NEW_MACHINE}", *(f"- {line}" for line in left_out_lines(left_out))]
        if not self.undone:
            return "\n".join([*gone, f"{_KEPT}]"]) if left_out else f"{gone[0]} {_KEPT}]"
        named = enumerate(self.undone, 1)
        lines = [f"{number}. {each.tool}: {each.title} ({each.call})" for number, each in named]
        return "\n".join([*gone, _UNDONE, *lines, f"{_REDO}]"])

    def _owed_results(self) -> Sequence[Block]:
        calls = [call["id"] for call in self._last_calls()]
        return [self.results.get(c) or _result(c, _NOT_RUN, is_error=True) for c in calls]

    def _last_calls(self) -> Sequence[Block]:
        last = self.messages[-1] if self.messages else None
        if last is None or last["role"] != "assistant":
            return ()
        return [block for block in last["content"] if is_call(block)]


def build_messages(history: Iterable[Recorded]) -> list[Message]:
    """Make the messages of the request that the history's last `model.requested` announces.

    What was said after it waits for the next one. The blocks of every reply must be in its event
    (fetched back from the object store when they were too long for it). Of images there are only
    references.
    """
    return _conversation(history).messages


def build_summary_request(history: Iterable[Recorded]) -> list[Message]:
    """Make the messages that ask for a summary: those sent so far, the newest results, a request.

    What people said since the last `model.requested` is not among them: it waits for the next one.
    """
    conversation = _conversation(history)
    conversation.add_summary_request()
    return conversation.messages


def _conversation(history: Iterable[Recorded]) -> Conversation:
    conversation, state = Conversation(), AgentState(attempt=Attempt(number=0))
    for recorded in history:
        conversation.add_event(recorded, state)
        if isinstance(recorded.event, ModelRequested):
            conversation.add_user_message(with_queued=state.is_work_over)
        state = evolve(state, recorded)
    return conversation


def _interruption(state: AgentState, call: CallId, reason: str) -> str:
    why = _WHY.get(reason, reason)
    if call not in state.calls.started and reason in _ENDED:
        return f"Not run: {why}."
    if call in state.calls.orphaned:
        return f"Interrupted: {why}. What it changed in files is undone."
    return f"Interrupted: {why}. What it had done by then is not known."


def sendable_blocks(blocks: Iterable[Block], stop_reason: str) -> list[Block]:
    """Return what of a reply the API takes back, each block verbatim.

    It gives blocks that it refuses to have back: texts of white space, thinking that was cut before
    its signature, and thinking that nothing follows. What it declined to say is not sent back, as
    it would decline again.
    """
    if stop_reason == "refusal":
        return []
    content = [block for block in blocks if _is_accepted(block)]
    while content and content[-1]["type"] in _THINKING:
        content.pop()
    return content


def nudge(reply: ModelReplied) -> str:
    """Return what to say to the model when nobody else says anything; "" when it needs nothing."""
    calls = calls_of(reply.blocks)
    if calls and reply.stop_reason in WHOLE:
        return ""
    if not wants_more(reply.stop_reason, text_of(reply.blocks)):
        return ""
    match reply.stop_reason:
        case "max_tokens":
            return _CUT
        case "tool_use":
            return _NO_CALL
        case "pause_turn":
            return _GO_ON
        case _:
            return _EMPTY


def _is_accepted(block: Block) -> bool:
    match block.get("type"):
        case "text":
            text = block.get("text")
            return isinstance(text, str) and bool(text.strip())
        case "thinking":
            return bool(block.get("signature"))
        case "tool_use":
            return is_call(block)
        case kind:
            return isinstance(kind, str)


def _result(call: CallId, text: str, *, is_error: bool) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": call, "content": text}
    return {**block, "is_error": True} if is_error else block
