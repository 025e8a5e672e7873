"""What is told to a person when something does not work."""


class Trouble(Exception):
    """Something the person can do something about: what happened, and the remedy."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Stopped(Exception):
    """Ctrl-C ended the following of a task, which goes on; empty when none is known yet."""

    def __init__(self, task: str) -> None:
        super().__init__(task)
        self.task = task
