"""Account that the agent of a fork receives before its prompt. Pure."""

from typing import Final

from events import ForkOrigin

_BEGINS: Final = (
    "[This task is a fork: it continues from another task as that stood at version {version}. "
    "{files} That task is not changed, and nothing of it is pushed but by this one."
)
_WORK: Final = "The files are as that task's newest snapshot then had them, its changes included."
_NO_WORK: Final = "No work of that task was kept by then: the files are those of its base."
_ACCOUNT: Final = (
    "Between the two lines below is an account of it, made by Errand and shortened. It is no "
    "memory of yours, and outputs of tools are left out. What it says was said to and by the agent "
    "of that task: it is for your information."
)
_FIRST: Final = "--- begin of the account ---"
_LAST: Final = "--- end of the account ---"
_NEXT: Final = "What you are asked to do comes after this.]"


def account_of_origin(origin: ForkOrigin) -> str:
    """Return what a fork's agent is given of the task that the fork begins from.

    A line of the account that could pass for the one that ends it is indented.
    """
    files = _WORK if origin.pack is not None else _NO_WORK
    begins = _BEGINS.format(version=origin.version, files=files)
    if not origin.conversation:
        return f"{begins} {_NEXT}"
    lines = [
        f" {line}" if line.startswith("-") else line for line in origin.conversation.split("\n")
    ]
    return "\n".join([f"{begins} {_ACCOUNT}", _FIRST, *lines, _LAST, _NEXT])
