"""ask: put a question to the person. The loop itself waits for the answer."""

from typing import Final

from services.worker.agent.tool_calls import ASK as NAME
from services.worker.agent.tool_calls import Ask
from services.worker.tools.tool import Tool


def title(arguments: Ask) -> str:
    """Return the question, for a person."""
    return f"Ask: {arguments.question}"


ASK: Final = Tool(
    name=NAME,
    description=(
        "Ask the person a question and wait for the answer, which may take hours. Only for what "
        "you cannot find out or decide yourself."
    ),
    arguments=Ask,
    title=title,
    run=None,
)
