"""Events as a stranger sees them: nothing gets through that a link does not include."""

from datetime import UTC, datetime

import msgspec
import pytest

import events as facts
from events import (
    ApprovalRequested,
    AttemptStarted,
    Blob,
    Draft,
    EventId,
    MachineStarted,
    ModelReplied,
    Recorded,
    Repository,
    SnapshotTaken,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
)
from events.codec import decode, encode
from events.limits import MAX_EVENT_BYTES
from events.protocol.api.shares import SharedParts
from services.gateway.tasks.share_redaction import DECISIONS, encoded, redacted, scrub
from tests.events.specimens import HISTORY, MOMENT, specimens

NOTHING = SharedParts(commands=False)
ALL = SharedParts(commands=True, outputs=True, diffs=True, costs=True)
PERSON = "per_" + "p" * 26
BLOB = Blob("canary-key", 7, "canary-sha")


def recorded(event, by=f"person:{PERSON}", cause="cmd_canary"):
    return Recorded(
        account=HISTORY.account,
        task=HISTORY.task,
        id=EventId("evt_" + "e" * 26),
        version=3,
        sequence=3,
        at=datetime(2026, 11, 26, 12, tzinfo=UTC),
        by=by,
        cause=cause,
        event=event,
    )


def shown(event, parts=NOTHING, **more):
    return encoded(redacted(recorded(event, **more), parts)).decode()


@pytest.mark.parametrize("parts", [NOTHING, SharedParts(), ALL])
@pytest.mark.parametrize("event", DECISIONS, ids=lambda cls: cls.__name__)
def test_what_is_shown_is_an_event_of_the_same_type_and_place(event, parts):
    for specimen in specimens(event):
        body = shown(specimen, parts).encode()
        read = decode(HISTORY, 3, body)
        assert type(read.event) is event
        assert (read.version, read.task) == (3, HISTORY.task)
        assert encoded(redacted(read, parts)) == body, "it stays as it is"


@pytest.mark.parametrize("event", DECISIONS, ids=lambda cls: cls.__name__)
def test_nobodys_id_is_shown(event):
    for specimen in specimens(event):
        text = shown(specimen, ALL)
        assert PERSON not in text
        assert HISTORY.account not in text
        assert "cmd_canary" not in text
        assert '"by":"person:shared"' in text


def test_a_cause_that_is_an_event_stays():
    cause = "evt_" + "c" * 26
    assert f'"cause":"{cause}"' in shown(facts.TaskInterrupted(), by="worker:1", cause=cause)


CALL = {"type": "tool_use", "id": "c1", "name": "bash", "input": {"command": "canary-command"}}
WRITE = {"type": "tool_use", "id": "c2", "name": "write", "input": {"content": "canary-content"}}
NEW = {"type": "tool_use", "id": "c3", "name": "new", "input": {"x": {"deep": "canary-deep"}}}
THINKING = {"type": "thinking", "thinking": "canary-thinking", "signature": "canary-signature"}
REPLY = ModelReplied(
    turn=1,
    stop_reason="tool_use",
    usage=facts.Usage(input_tokens=123456),
    cost_microusd=777777,
    blocks=({"type": "text", "text": "I look."}, CALL, WRITE, NEW, THINKING),
    request="canary-request",
    blob=BLOB,
)
APPROVAL = ApprovalRequested(
    request="req_1",
    call="c1",
    tool="bash",
    title="canary-title",
    digest="canary-digest",
    covers="canary-covers",
    expires_at=datetime(2026, 11, 26, tzinfo=UTC),
    command="canary-command",
    diff="canary-diff",
    risks=("canary-risk",),
)
CALLED = ToolCompleted(call="c1", output="canary-output", diff="canary-diff", artifact=BLOB)


@pytest.mark.parametrize(
    "event",
    [
        REPLY,
        APPROVAL,
        CALLED,
        MachineStarted(attempt=1, machine="canary-machine", region="canary-region", seconds=1),
        AttemptStarted(attempt=1, machine="canary-m", build="canary-b", sandbox="canary-s"),
        ToolStarted(call="c", tool="bash", title="canary-t", tree="canary", command="canary-c"),
        SnapshotTaken(
            tree="canary-tree",
            pack=BLOB,
            files=1,
            insertions=2,
            deletions=3,
            left_out=(facts.LeftOut("canary-path", "ignored"),),
            guarded=("canary-guarded",),
        ),
        facts.MachineLost(
            attempt=1, reason="gone", retry_at=datetime(2026, 11, 26, tzinfo=UTC), detail="canary"
        ),
        facts.ModelFailed(turn=1, kind="overloaded", detail="canary"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_link_that_includes_nothing_shows_nothing_of_it(event):
    text = shown(event)
    assert "canary" not in text
    assert "777777" not in text
    assert "123456" not in text


@pytest.mark.parametrize(
    ("parts", "seen"),
    [
        (SharedParts(commands=True), {"command", "title", "covers", "digest", "risk"}),
        (SharedParts(commands=False, outputs=True), {"output"}),
        (SharedParts(commands=False, diffs=True), {"diff", "content"}),
    ],
)
def test_a_link_shows_what_it_includes_and_no_more(parts, seen):
    text = "".join(shown(event, parts) for event in (REPLY, APPROVAL, CALLED))
    names = ("command", "title", "covers", "digest", "risk", "output", "diff", "content")
    assert {name for name in names if f"canary-{name}" in text} == seen
    for never in ("thinking", "signature", "request", "key", "sha", "deep"):
        assert f"canary-{never}" not in text


def test_costs_are_shown_only_where_they_are_included():
    costs = SharedParts(costs=True)
    assert "777777" in shown(REPLY, costs)
    budget = facts.Budget(cost_microusd=777777, turns=9)
    submitted = TaskSubmitted(prompt="x", repository=Repository("u"), model="m", budget=budget)
    assert "777777" in shown(submitted, costs)
    assert "777777" not in shown(submitted)
    for spent in (
        facts.BudgetRaised(cost_microusd=777777),
        facts.BudgetExhausted(scope="cost", spent=777777, limit=777777),
        facts.MachineDestroyed(attempt=1, machine="m", billed_seconds=777777, cost_microusd=1),
    ):
        assert "777777" in shown(spent, costs)
        assert "777777" not in shown(spent)


def test_hosts_are_shown_only_where_commands_are_included():
    for event in (
        facts.EgressDenied(host="intern.example.com", port=8443, count=1),
        facts.EgressAllowed(host="intern.example.com", port=8443),
    ):
        assert "intern.example.com" in shown(event, SharedParts(commands=True))
        assert "intern" not in shown(event)
        assert "8443" not in shown(event)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("write to ada.b+c@mail.example.com!", "write to [redacted:email]!"),
        ("key ghp_" + "a" * 36, "key [redacted:github-token]"),
        ("clone https://ada:hunter2@example.com/x", "clone https://example.com/x"),
        ("clone HTTPS://ada:hunter2@example.com/x", "clone HTTPS://example.com/x"),
        ("redis://:p@ss@cache:6379/0 is up", "redis://cache:6379/0 is up"),
        ("https://example.com/@ada/x?to=@b", "https://example.com/@ada/x?to=@b"),
        (
            "opened https://x.dev/shared/share_" + "A" * 43,
            "opened https://x.dev/shared/[redacted:errand-link]",
        ),
        (f"asked by {PERSON}", "asked by [redacted:id]"),
        ("@pytest.fixture", "@pytest.fixture"),
    ],
)
def test_texts_are_cleaned_whoever_wrote_them(text, clean):
    assert scrub(text) == clean
    assert clean in msgspec.json.decode(shown(TaskInstructed(text=text)))["text"]


def test_a_repository_is_shown_without_its_credentials():
    repository = Repository("https://ada:hunter2@github.com/ada/app?token=x#y", "main")
    submitted = TaskSubmitted(prompt="x", repository=repository, model="m")
    read = msgspec.json.decode(shown(submitted))
    assert read["repository"] == {"url": "https://github.com/ada/app", "base": "main"}


def test_a_text_at_its_limit_stays_within_it():
    text = "a@b.cd " * 9362
    read = decode(HISTORY, 3, shown(TaskInstructed(text=text)).encode())
    assert len(read.event.text) <= len(text)


SECRETS = (
    "ghp_" + "A1b2" * 9,
    "errand_live_" + "A1b2C3" * 6,
    PERSON,
    "ada@mail.example.com",
    "HTTPS://ada:hunter2@example.com/x",
)


def texts_in(value, path=()):
    """The places of all texts of a JSON value, keys of objects too."""
    match value:
        case str():
            yield path
        case dict():
            for name, each in value.items():
                yield from texts_in(each, (*path, name))
        case list():
            for place, each in enumerate(value):
                yield from texts_in(each, (*path, place))


def with_text(value, path, text):
    if not path:
        return text
    copy = value.copy()
    copy[path[0]] = with_text(value[path[0]], path[1:], text)
    return copy


def poisoned(event):
    """The event with secrets in each of its texts in turn, as long as it can be read."""
    plain = msgspec.to_builtins(event)
    for path in texts_in(plain):
        for secret in SECRETS:
            try:
                yield msgspec.convert(with_text(plain, path, f"a {secret} b"), type(event))
            except msgspec.ValidationError:
                continue  # one of a few words, or a time


@pytest.mark.parametrize("event", DECISIONS, ids=lambda cls: cls.__name__)
def test_no_field_of_any_event_shows_a_secret_that_stands_in_it(event):
    for specimen in specimens(event):
        for each in poisoned(specimen):
            text = shown(each, ALL, by=f"worker:{PERSON}")
            for secret in (*SECRETS[:4], "hunter2"):
                assert secret not in text, each


def test_no_part_of_a_reply_shows_a_secret_that_stands_in_it():
    for each in poisoned(REPLY):
        assert not any(secret in shown(each, ALL) for secret in (*SECRETS[:4], "hunter2")), each
    named = {**CALL, "input": {SECRETS[0]: "x", "command": "y"}}
    assert SECRETS[0] not in shown(msgspec.structs.replace(REPLY, blocks=(named,)), ALL)


def test_a_name_at_its_limit_stays_within_it():
    for event in (
        facts.ModelRequested(turn=1, model="a@b.cd " * 28),
        facts.MachineRequested(
            attempt=1,
            name="m",
            region="r",
            guest=facts.Guest("a@b.cd " * 28, 1, 1),
            deadline=datetime(2026, 11, 26, tzinfo=UTC),
        ),
    ):
        assert "a@b.cd" not in decode(HISTORY, 3, shown(event).encode()).body.decode()


def test_an_event_at_its_limit_is_shown_too():
    block = {"type": "text", "text": "a@b.cd"}
    full = msgspec.structs.replace(REPLY, blocks=(block,) * 7000)
    draft = Draft(id=EventId("evt_" + "e" * 26), at=MOMENT, by="w", cause="", event=full)
    assert len(encode(HISTORY, 3, draft)) < MAX_EVENT_BYTES, "it can be stored"
    read = decode(HISTORY, 3, shown(full, ALL).encode())
    assert "a@b.cd" not in str(read.event)
    assert read.event.turn == full.turn
