"""Injected faults, for tests of clients of a forge. Off unless enabled."""

import msgspec


class RefusePush(msgspec.Struct, frozen=True, tag_field="rule", tag="refuse_push"):
    """The next `times` pushes are answered 403; None means all of them."""

    times: int | None = None


class DeclinePush(msgspec.Struct, frozen=True, tag_field="rule", tag="decline_push"):
    """The next `times` pushes are declined by the repository's rules, which say `message`."""

    message: str
    times: int | None = 1


class DropPushReply(msgspec.Struct, frozen=True, tag_field="rule", tag="drop_push_reply"):
    """The next `times` pushes are accepted, but the connection ends before their answer."""

    times: int | None = 1


class Fail(msgspec.Struct, frozen=True, tag_field="rule", tag="fail"):
    """The next `times` requests whose path holds `path` are answered `status`."""

    times: int | None = 1
    status: int = 503
    path: str = ""


class Slow(msgspec.Struct, frozen=True, tag_field="rule", tag="slow"):
    """The next `times` requests whose path holds `path` wait `seconds` first."""

    seconds: float
    times: int | None = None
    path: str = ""


Fault = RefusePush | DeclinePush | DropPushReply | Fail | Slow


class Faults:
    """The faults still to come, in the order they were asked for."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []

    def add(self, rule: Fault) -> None:
        """Add a fault."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Remove all faults."""
        self._rules.clear()

    def pending(self) -> list[Fault]:
        """Return which are still to come."""
        return list(self._rules)

    def failure(self, path: str) -> Fail | None:
        """Take the failure due for a request to `path`, if one is."""
        for rule in self._rules:
            if isinstance(rule, Fail) and rule.path in path:
                self._spend(rule)
                return rule
        return None

    def delay_seconds(self, path: str) -> float:
        """Take the wait due for a request to `path`; 0 when none is."""
        for rule in self._rules:
            if isinstance(rule, Slow) and rule.path in path:
                self._spend(rule)
                return rule.seconds
        return 0.0

    def refuses_push(self) -> bool:
        """Take the refusal due for a push; return whether one was."""
        return self._take(RefusePush)

    def declined_push(self) -> str:
        """Take the refusal by rules due for a push; return its words, or "" when none is."""
        for rule in self._rules:
            if isinstance(rule, DeclinePush):
                self._spend(rule)
                return rule.message
        return ""

    def drops_push_reply(self) -> bool:
        """Take the loss due for the reply to a push; return whether one was."""
        return self._take(DropPushReply)

    def _take(self, kind: type[Fault]) -> bool:
        for rule in self._rules:
            if isinstance(rule, kind):
                self._spend(rule)
                return True
        return False

    def _spend(self, rule: Fault) -> None:
        place = self._rules.index(rule)
        if rule.times is None:
            return
        if rule.times <= 1:
            del self._rules[place]
        else:
            self._rules[place] = msgspec.structs.replace(rule, times=rule.times - 1)
