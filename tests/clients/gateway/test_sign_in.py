"""The session of a person: the file that keeps tokens, and how a gateway is found."""

import asyncio
import json
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway, Unreachable
from clients.cli.gateway.sign_in import SessionFile, StoredSession, TokenRenewer, sign_in
from clients.cli.local_stacks import is_same_gateway, local_stack, named_stack, running_stacks
from events.protocol.api.sessions import PairingOffer
from infra.local.stack_file import registered
from infra.runtime.clock import utc_now
from tests.kit.build import api_answers
from tests.kit.build.api_answers import answer, me, problem, refusal
from tests.kit.fakes.scripted_gateway import Visitor, scripted_gateway
from tests.kit.fakes.scripted_http import scripted_http

REFUSED = refusal(problem("This needs a valid session token.", 401))
WELCOME = answer(me())


def session(token: str, *, seconds: float = 600) -> StoredSession:
    return StoredSession(token, f"refresh of {token}", utc_now() + timedelta(seconds=seconds))


def told(token: str, *, refresh: str = "r") -> tuple[int, bytes]:
    end = utc_now() + timedelta(minutes=10)
    return answer(api_answers.session(token=token, refresh_token=refresh, expires_at=end))


async def nobody(_: Visitor) -> None:
    return


async def signed_in(file: SessionFile, folder: Path, *, gateway: str = "", token: str = "") -> str:
    async with await sign_in(
        gateway=gateway, token=token, file=file, stack=local_stack(folder), device="d"
    ) as found:
        return f"{found.url} {found.token}"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_session_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "errand" / "sessions.json"
    file = SessionFile(path)

    file.keep("http://one", session("t1"))
    file.keep("http://two", session("t2"))

    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["sessions.json"]
    sessions = file.read()
    assert {url: kept.token for url, kept in sessions.sessions.items()} == {
        "http://one": "t1",
        "http://two": "t2",
    }
    assert sessions.last == "http://two"


def test_a_session_file_others_could_read_is_theirs_no_more_once_written(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    path.write_text("{}")
    path.chmod(0o644)

    SessionFile(path).keep("http://one", session("t1"))

    assert mode(path) == 0o600


@pytest.mark.parametrize("content", ["", "{", '{"sessions":3}', "\x00"])
def test_a_damaged_session_file_counts_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(content)

    assert SessionFile(path).read().sessions == {}


def test_the_stack_is_found_from_any_folder_below_it(tmp_path: Path) -> None:
    (tmp_path / ".errand").mkdir()
    (tmp_path / ".errand" / "stack.json").write_text('{"gateway":"http://127.0.0.1:81"}')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    found = local_stack(below)
    assert found is not None
    assert found.gateway == "http://127.0.0.1:81"


@pytest.mark.parametrize(
    "stack",
    [
        {"gateway": "https://errand.example"},
        {"gateway": "http://192.0.2.1:81"},
        {"gateway": "http://127.0.0.1@192.0.2.1:81"},
        {"gateway": "http://[192.0.2.1"},
        {"gateway": "http:///v1"},
        {"gateway": "file:///etc/passwd"},
        {"gateway": "http://127.0.0.1:81", "forge": {"url": "http://192.0.2.1:82"}},
        {"gateway": "http://127.0.0.1:81", "forge": {"api_url": "https://forge.example/api"}},
    ],
    ids=str,
)
async def test_a_folder_that_leads_elsewhere_is_no_local_stack(
    tmp_path: Path, stack: dict[str, object]
) -> None:
    cloned = tmp_path / "cloned"
    (cloned / ".errand").mkdir(parents=True)
    (cloned / ".errand" / "stack.json").write_text(json.dumps(stack))

    assert local_stack(cloned) is None
    with pytest.raises(CliError, match="not an address of this machine"):
        named_stack(cloned)
    with pytest.raises(CliError, match="No gateway is known on this machine"):
        await signed_in(SessionFile(tmp_path / "s.json"), cloned, token="the person's own")


def running(folder: Path, home: Path, gateway: str, *, age_seconds: float = 0) -> Path:
    """A stack's own files, as `make run` leaves them."""
    folder.mkdir(parents=True)
    (folder / "stack.json").write_text(json.dumps({"gateway": gateway, "operator_token": "op"}))
    stacks = home / ".local" / "state" / "errand" / "stacks"
    stacks.mkdir(parents=True, exist_ok=True)
    pointer = stacks / f"{folder.parent.name}.json"
    pointer.write_text(json.dumps({"file": str(folder / "stack.json")}))
    moment = utc_now().timestamp() - age_seconds
    os.utime(pointer, (moment, moment))
    return folder


def test_the_stacks_that_answer_are_found_from_anywhere_the_newest_first(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    with scripted_http() as one, scripted_http() as two:
        old = running(tmp_path / "old" / ".errand", tmp_path, one.url, age_seconds=60)
        new = running(tmp_path / "new" / ".errand", tmp_path, two.url)
        running(tmp_path / "killed" / ".errand", tmp_path, "http://127.0.0.1:9")
        gone = running(tmp_path / "gone" / ".errand", tmp_path, one.url)
        (gone / "stack.json").unlink()

        assert [stack.directory for stack in running_stacks(home)] == [str(new), str(old)]
        assert named_stack(tmp_path / "old").gateway == one.url
        assert named_stack(old).gateway == one.url

    assert running_stacks(home) == []
    assert running_stacks({"HOME": str(tmp_path / "nobody")}) == []
    with pytest.raises(CliError, match="No stack runs in") as caught:
        named_stack(tmp_path)
    assert "make run" in caught.value.remedy


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("http://127.0.0.1:81", "http://127.0.0.1:81/", True),
        ("http://127.0.0.1:81", "http://localhost:81", True),
        ("http://127.0.0.1:81", "http://127.0.0.1:82", False),
        ("http://127.0.0.1:81", "http://192.0.2.1:81", False),
        ("https://errand.example", "https://errand.example", True),
        ("https://errand.example", "http://127.0.0.1:443", False),
    ],
)
def test_a_gateway_is_known_by_any_of_its_addresses(one: str, other: str, is_same: bool) -> None:
    assert is_same_gateway(one, other) is is_same


def test_a_stack_is_registered_while_it_runs(tmp_path: Path) -> None:
    said: list[str] = []
    stack = tmp_path / "e" / "stack.json"
    with scripted_http() as gateway:
        stack.parent.mkdir()
        stack.write_text(json.dumps({"gateway": gateway.url}))
        home = {"HOME": str(tmp_path)}
        with registered(stack, home, said.append):
            assert [found.gateway for found in running_stacks(home)] == [gateway.url]
        assert running_stacks(home) == []
    assert said == []


def test_a_stack_without_a_home_says_where_it_is_found(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    with registered(tmp_path / "e" / "stack.json", {"HOME": str(tmp_path / "file")}, said.append):
        assert "or a folder below it" in said[0]


async def test_a_token_that_is_good_is_used(tmp_path: Path) -> None:
    async with scripted_gateway(nobody) as gateway:
        gateway.pages = [WELCOME]
        file = SessionFile(tmp_path / "s.json")
        file.keep(gateway.url, session("kept"))
        assert await signed_in(file, tmp_path) == f"{gateway.url} kept"


async def test_without_a_gateway_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="No gateway is known") as caught:
        await signed_in(SessionFile(tmp_path / "s.json"), tmp_path)

    assert "make run" in caught.value.remedy


async def test_a_token_that_is_no_longer_good_asks_for_pairing(tmp_path: Path) -> None:
    async with scripted_gateway(nobody) as gateway:
        gateway.pages = [REFUSED]
        with pytest.raises(CliError, match="not signed in") as caught:
            await signed_in(
                SessionFile(tmp_path / "s.json"), tmp_path, gateway=gateway.url, token="old"
            )

    assert f"errand pair {gateway.url} CODE" in caught.value.remedy


async def test_a_gateway_that_is_away_is_not_taken_for_a_bad_token(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "s.json")
    file.keep("http://127.0.0.1:9", session("kept"))
    with pytest.raises(Unreachable, match="cannot be reached"):
        await signed_in(file, tmp_path)


async def test_a_gateway_whose_database_is_away_is_not_taken_for_a_bad_token(
    tmp_path: Path,
) -> None:
    async with scripted_gateway(nobody) as gateway:
        gateway.pages = [refusal(problem("The database does not answer.", 503, retryable=True))]
        with pytest.raises(Unreachable, match="database"):
            await signed_in(
                SessionFile(tmp_path / "s.json"), tmp_path, gateway=gateway.url, token="good"
            )


async def test_the_local_stack_pairs_by_itself(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "config" / "s.json")
    with scripted_http() as gateway:
        offer = PairingOffer("ABCD", utc_now(), f"{gateway.url}/pair#ABCD")
        gateway.answers = [answer(offer), told("fresh")]
        (tmp_path / ".errand").mkdir()
        stack = {"gateway": gateway.url, "operator_token": "op"}
        (tmp_path / ".errand" / "stack.json").write_text(json.dumps(stack))

        assert await signed_in(file, tmp_path) == f"{gateway.url} fresh"

    (asked, _), (redeemed, body) = gateway.asked
    assert (asked, redeemed) == ("POST /v1/pairings", "POST /v1/sessions")
    assert json.loads(body) == {"code": "ABCD", "device": {"name": "d", "platform": "cli"}}
    assert file.read().sessions[gateway.url].token == "fresh"


async def test_a_token_about_to_end_is_renewed_and_kept(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "s.json")
    with scripted_http() as gateway:
        gateway.answers = [told("t2", refresh="r2"), WELCOME]
        file.keep(gateway.url, session("t1", seconds=20))
        assert await signed_in(file, tmp_path) == f"{gateway.url} t1"  # renewed when it asks

    (renewed, body), (asked, _) = gateway.asked
    assert (renewed, json.loads(body)) == (
        "POST /v1/sessions/refresh",
        {"refresh_token": "refresh of t1"},
    )
    assert asked == "GET /v1/me"
    kept = file.read().sessions[gateway.url]
    assert (kept.token, kept.refresh_token) == ("t2", "r2")


async def test_a_token_refused_sooner_than_thought_is_renewed_once(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "s.json")
    with scripted_http() as gateway:
        gateway.answers = [REFUSED, told("t2"), (200, b'{"a":1}')]
        file.keep(gateway.url, session("t1"))
        async with Gateway(gateway.url, "t1", renew=TokenRenewer(gateway.url, file)) as asking:
            assert await asking.get("/v1/tasks", dict[str, int]) == {"a": 1}

    assert [line for line, _ in gateway.asked] == [
        "GET /v1/tasks",
        "POST /v1/sessions/refresh",
        "GET /v1/tasks",
    ]


async def test_who_waited_for_the_renewal_of_another_does_not_renew_again(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "s.json")
    with scripted_http() as gateway:
        gateway.answers = [told("t2")]
        file.keep(gateway.url, session("t1", seconds=0))
        async with asyncio.TaskGroup() as group:
            tokens = [group.create_task(TokenRenewer(gateway.url, file)()) for _ in range(4)]

    assert {token.result() for token in tokens} == {"t2"}
    assert len(gateway.asked) == 1
    assert mode(tmp_path / "s.lock") == 0o600


async def test_an_ended_session_asks_for_pairing(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "s.json")
    with scripted_http() as gateway:
        gateway.answers = [REFUSED]
        file.keep(gateway.url, session("t1", seconds=0))
        with pytest.raises(CliError, match="not signed in"):
            await signed_in(file, tmp_path, gateway=gateway.url)
