"""Commands outlive the program, keep their order, and leave only when they are answered."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clients.cli.errors import CliError
from clients.cli.protocol.reconnect_policy import StreamTimings
from clients.cli.stream.command_sender import Acknowledged, CommandSender, Rejected
from clients.cli.stream.outbox import Command, Outbox, command
from events.protocol.frames import Ack, Nak
from tests.kit.build.api_answers import problem


def kept(number: int) -> Command:
    return command(f"id-{number}", "instruct", {"text": f"word {number}"}, task="task_1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "outbox.sqlite"


def test_what_is_kept_is_there_for_the_next_program_in_order_and_once(path: Path) -> None:
    for number in (3, 1, 2, 1):
        Outbox(path, "here").keep(kept(number))

    assert Outbox(path, "here").waiting() == [kept(3), kept(1), kept(2)]
    assert path.stat().st_mode & 0o077 == 0


def test_gateways_have_their_own(path: Path) -> None:
    Outbox(path, "here").keep(kept(1))
    Outbox(path, "there").keep(kept(2))

    assert Outbox(path, "there").first() == kept(2)


def test_what_is_taken_out_does_not_come_back_first(path: Path) -> None:
    outbox = Outbox(path, "here")
    outbox.keep(kept(1))

    assert outbox.remove("id-1")
    assert not outbox.remove("id-1")
    assert outbox.first() is None


def test_what_no_frame_can_hold_is_not_kept(path: Path) -> None:
    outbox = Outbox(path, "here")

    with pytest.raises(CliError, match="too long"):
        outbox.keep(command("id", "instruct", {"text": "x" * 70_000}))
    assert outbox.waiting() == []


def test_a_damaged_outbox_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)

    with pytest.raises(CliError, match="cannot be used") as caught:
        Outbox(path, "here").keep(kept(1))
    assert "move it away" in caught.value.remedy


def test_programs_may_write_at_the_same_time(path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: Outbox(path, "here").keep(kept(number)), range(40)))

    assert sorted(Outbox(path, "here").waiting()) == sorted(map(kept, range(40)))


class SentCommands:
    """A sender, and the time as the test has it."""

    def __init__(self, path: Path) -> None:
        self.outbox = Outbox(path, "here")
        self.sender = CommandSender(self.outbox, StreamTimings(command_interval_seconds=1.0))
        self.now = 100.0

    def next(self, *, after_seconds: float = 0.0) -> str | None:
        self.now += after_seconds
        return self.sender.next(self.now)

    def hear(self, item: Ack | Nak) -> Acknowledged | Rejected:
        return self.sender.answered(item, self.now, chance=1.0)


@pytest.fixture
def sent(path: Path) -> SentCommands:
    return SentCommands(path)


def test_one_is_sent_at_a_time_and_none_too_soon(sent: SentCommands) -> None:
    for number in (1, 2):
        sent.sender.keep(kept(number))

    assert '"id-1"' in (sent.next() or "")
    assert sent.next(after_seconds=5) is None
    assert sent.hear(Ack("id-1", "task_1", 4)) == Acknowledged("id-1", "task_1", 4)
    assert '"id-2"' in (sent.next() or "")
    sent.hear(Ack("id-2", "task_1", 5))
    assert sent.next(after_seconds=5) is None
    assert sent.sender.due_at() is None
    sent.sender.keep(kept(3))
    assert '"id-3"' in (sent.next() or "")
    sent.hear(Ack("id-3", "task_1", 6))
    sent.sender.keep(kept(4))
    assert sent.next(after_seconds=0.9) is None
    assert '"id-4"' in (sent.next(after_seconds=0.1) or "")


def test_what_was_not_answered_is_sent_again_on_the_next_connection(sent: SentCommands) -> None:
    sent.sender.keep(kept(1))
    first = sent.next()
    sent.sender.begin()

    assert sent.next(after_seconds=2) == first


def test_a_no_for_now_keeps_the_command_and_its_place(sent: SentCommands) -> None:
    for number in (1, 2):
        sent.sender.keep(kept(number))
    first = sent.next()
    away = problem("The log is away.", 503, retryable=True)

    for pause in (1.0, 2.0, 4.0):
        assert sent.hear(Nak("id-1", away)) == Rejected("id-1", away, is_final=False)
        assert sent.next(after_seconds=pause - 0.1) is None
        assert sent.next(after_seconds=0.1) == first
    assert [each.id for each in sent.outbox.waiting()] == ["id-1", "id-2"]


def test_a_no_for_good_takes_the_command_out(sent: SentCommands) -> None:
    sent.sender.keep(kept(1))
    sent.next()
    refused = problem("Answered already.")

    assert sent.hear(Nak("id-1", refused)) == Rejected("id-1", refused, is_final=True)
    assert sent.outbox.waiting() == []
