"""Subscriptions of one connection: the tasks it carries, and the position in each.

It decides which events are yielded and what is asked for again. Times are the event loop's.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from clients.cli.protocol.frame_codec import EventItem, decode_item
from clients.cli.protocol.reconnect_policy import Position, StreamTimings
from clients.cli.stream.items import CaughtUp, PositionLost, StreamItem, TaskNotFound
from events import AccountId, History, TaskId, codec
from events.protocol import frames
from events.protocol.ephemeral import Ephemeral

TaskItem = EventItem | Ephemeral | frames.Live | frames.Behind | frames.Reset


class Subscriptions:
    """Positions by task. `outgoing` are the frames to send next."""

    def __init__(self, tasks: Mapping[str, int], timings: StreamTimings) -> None:
        self._positions = {task: Position(task, version) for task, version in tasks.items()}
        self._timings = timings
        self.begin()

    def begin(self) -> None:
        """Start a new connection: what was asked for on the last one is forgotten."""
        self.outgoing: list[frames.Sub] = []
        self._heads_behind: dict[str, int] = {}
        self._later: dict[str, float] = {}
        for position in self._positions.values():
            position.answered()

    def resume_from(self) -> tuple[frames.Subscription, ...]:
        """Return the version of each task to resume from."""
        positions = self._positions.values()
        return tuple(frames.Subscription(each.task, each.version) for each in positions)

    def take(self, item: TaskItem, now: float) -> list[StreamItem]:
        """Handle an item of a task; return what to yield."""
        position = self._positions.get(item.task)
        if position is None:
            return []
        match item:
            case EventItem():
                return self._apply(position, item)
            case Ephemeral():
                return [item]
            case frames.Live(version=version):
                if version != position.version:
                    return []
                position.answered()
                return [CaughtUp(position.task, version)]
            case frames.Behind(head=head):
                self._heads_behind[position.task] = head
                return []
            case frames.Reset(reason=reason):
                return self._reset(position, reason, now)
            case _:
                assert_never(item)

    def take_heads(self, heads: Mapping[str, int]) -> None:
        """Subscribe again to the tasks whose newest version shows that an event was missed."""
        for task, version in heads.items():
            self._subscribe_if_missed(task, version)

    def due_at(self) -> float | None:
        """Return when a pause ends after which to subscribe again; None without a pause."""
        return min(self._later.values(), default=None)

    def subscribe_due(self, now: float) -> None:
        """Subscribe to the tasks whose pause is over."""
        for task in [task for task, due_at in self._later.items() if now >= due_at]:
            del self._later[task]
            self._subscribe(self._positions[task])

    def behind(self) -> tuple[str, int] | None:
        """Return a task whose events must be fetched in pages, and the version to fetch after."""
        task = next(iter(self._heads_behind), None)
        return None if task is None else (task, self._positions[task].version)

    def take_page(self, task: str, page: Sequence[msgspec.Raw]) -> list[StreamItem] | None:
        """Handle a page of a task's events; subscribe after the last. None when it brought none."""
        position = self._positions[task]
        before = position.version
        items = [decode_item(raw) for raw in page]
        events = [item for item in items if isinstance(item, EventItem)]
        shown = [one for item in events for one in self._apply(position, item)]
        if position.version >= self._heads_behind[task]:
            del self._heads_behind[task]
            self._subscribe(position)
        elif position.version == before:
            return None
        return shown

    def _apply(self, position: Position, item: EventItem) -> list[StreamItem]:
        """Return the event if it is the next one; nothing if its type is unknown here."""
        if not position.apply(item.version):
            self._subscribe_if_missed(position.task, item.version)
            return []
        try:
            return [codec.decode(History(AccountId(""), TaskId(position.task)), 0, item.body)]
        except msgspec.ValidationError:
            return []  # an event type of a newer server

    def _reset(
        self, position: Position, reason: frames.ResetReason, now: float
    ) -> list[StreamItem]:
        match reason:
            case "not_found":
                for known in (self._positions, self._heads_behind, self._later):
                    known.pop(position.task, None)
                return [TaskNotFound(position.task)]
            case "position_lost":
                position.lose()
                self._subscribe(position)
                return [PositionLost(position.task)]
            case "unavailable":
                self._subscribe_later(position, now)
                return []
            case _:
                assert_never(reason)

    def _subscribe_if_missed(self, task: str, version: int) -> None:
        position = self._positions.get(task)
        if position and task not in self._heads_behind and position.ask_again(version):
            self._subscribe(position)

    def _subscribe(self, position: Position) -> None:
        self.outgoing.append(frames.Sub(position.task, position.version))

    def _subscribe_later(self, position: Position, now: float) -> None:
        """Subscribe again after a pause, spread out over all tasks."""
        position.answered()
        apart_seconds = self._timings.command_interval_seconds * len(self._later)
        self._later[position.task] = now + self._timings.min_pause_seconds + apart_seconds
