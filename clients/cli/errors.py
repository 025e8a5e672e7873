"""Errors that are printed for a person, with cause and remedy."""


class CliError(Exception):
    """Error that the user can act on: what happened, and the remedy."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class FollowInterrupted(Exception):
    """Ctrl-C while following a task, which keeps running; `task` may be empty."""

    def __init__(self, task: str) -> None:
        super().__init__(task)
        self.task = task
