"""Toolbox: all tools, in the fixed order of the request to the model, and how a call is run."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from events import ToolStarted
from events.plain_text import plain
from services.worker.agent.state import AgentState
from services.worker.agent.text.excerpt import excerpt
from services.worker.agent.tool_calls import Call, one_line
from services.worker.ports import OnOutput, Sandbox, SandboxError
from services.worker.tools.ask import ASK
from services.worker.tools.bash import BASH
from services.worker.tools.edit import EDIT
from services.worker.tools.glob import GLOB
from services.worker.tools.grep import GREP
from services.worker.tools.plan import PLAN
from services.worker.tools.read import READ
from services.worker.tools.submit import SUBMIT
from services.worker.tools.tool import Outcome, Tool, refused
from services.worker.tools.write import WRITE

TOOLS: Final[Sequence[Tool[Any]]] = (
    BASH,
    READ,
    WRITE,
    EDIT,
    GLOB,
    GREP,
    PLAN,
    ASK,
    SUBMIT,
)
_COMMAND_BYTES: Final = 8 * 1024
_BY_NAME: Final[Mapping[str, Tool[Any]]] = {tool.name: tool for tool in TOOLS}


def specs() -> list[dict[str, Any]]:
    """Return all tools as the Messages API takes them."""
    return [tool.spec() for tool in TOOLS]


def title_of(call: Call) -> str:
    """Return in one line, for a person, what a call is about to do."""
    tool = _BY_NAME.get(call.name)
    if tool is None:
        return one_line(plain(f"Use {call.name}"))
    try:
        arguments = msgspec.convert(call.input, tool.arguments, strict=False)
    except msgspec.ValidationError:
        return one_line(plain(f"Use {call.name}"))
    return one_line(plain(tool.title(arguments)))


def command_of(call: Call) -> str:
    """Return what a call of bash runs, cut in its middle when it is long; else nothing."""
    command = call.input.get("command") if call.name == BASH.name else ""
    return excerpt(command, _COMMAND_BYTES)[0] if isinstance(command, str) else ""


def tool_started(call: Call, state: AgentState) -> ToolStarted:
    """Return the intent of a call, to be recorded before the call runs."""
    tree = "" if state.workspace.is_dirty else state.workspace.tree
    title, command = title_of(call), command_of(call)
    return ToolStarted(call=call.id, tool=call.name, title=title, tree=tree, command=command)


async def run_call(sandbox: Sandbox, call: Call, on_output: OnOutput) -> Outcome:
    """Run one call. What the model got wrong is an outcome too, in words it can act on.

    Raises SandboxUnavailable alone.
    """
    tool = _BY_NAME.get(call.name)
    if tool is None:
        return refused(f"There is no tool {call.name}. There are: {', '.join(_BY_NAME)}.")
    try:
        arguments = msgspec.convert(call.input, tool.arguments, strict=False)
    except msgspec.ValidationError as error:
        return refused(f"The arguments of {call.name} do not fit its schema: {error}.")
    if tool.run is None:
        return refused(f"{call.name} cannot be used here.")
    try:
        return await tool.run(sandbox, arguments, on_output)
    except SandboxError as error:
        return refused(str(error))
