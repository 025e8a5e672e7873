"""Errors that are printed for a person, with cause and remedy."""


class CliError(Exception):
    """Error that the user can act on: what happened, and the remedy."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class InvalidAnswer(CliError):
    """An answer of the gateway that does not have the published shape: a version too far apart."""

    def __init__(self, answer: str, error: Exception) -> None:
        super().__init__(
            f"This version of `errand` does not understand the gateway: {answer} is not as"
            f" expected ({error}).",
            "Upgrade the older of the two: `errand --version` shows this one.",
        )


class FollowInterrupted(Exception):
    """Ctrl-C while following a task, which keeps running; `task` may be empty."""

    def __init__(self, task: str) -> None:
        super().__init__(task)
        self.task = task
