"""submit: hand the work in. The loop itself pushes and opens the pull request."""

from typing import Final

from services.worker.agent.tool_calls import SUBMIT as NAME
from services.worker.agent.tool_calls import Submit
from services.worker.tools.tool import Tool


def title(arguments: Submit) -> str:
    """Return the title of the submission, for a person."""
    return f"Submit: {arguments.title}"


SUBMIT: Final = Tool(
    name=NAME,
    description=(
        "Hand in your work when it is done and checked: the changes are committed, pushed and "
        "proposed as a pull request, and the task ends. Do not commit or push yourself."
    ),
    arguments=Submit,
    title=title,
    run=None,
)
