"""Whose session it is: the file that keeps tokens, and how a gateway is found."""

import json
import stat
from pathlib import Path

import pytest

from clients.cli.gateway import Unreachable
from clients.cli.sign_in import SessionFile, local_stack, sign_in
from clients.cli.trouble import Trouble
from tests.support.scripted_gateway import Visitor, scripted_gateway
from tests.support.scripted_http import scripted_http

REFUSED = (401, b'{"detail":"This needs a valid session token."}')
WELCOME = (200, b'{"account":"acc_1"}')


async def nobody(_: Visitor) -> None:
    return


async def signed_in(file: SessionFile, folder: Path, *, gateway: str = "", token: str = "") -> str:
    async with await sign_in(
        gateway=gateway, token=token, file=file, folder=folder, device="d"
    ) as found:
        return f"{found.url} {found.token}"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_session_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "errand" / "sessions.json"
    file = SessionFile(path)

    file.keep("http://one", "t1")
    file.keep("http://two", "t2")

    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["sessions.json"]
    sessions = file.read()
    assert sessions.tokens == {"http://one": "t1", "http://two": "t2"}
    assert sessions.last == "http://two"


def test_a_session_file_others_could_read_is_theirs_no_more_once_written(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    path.write_text("{}")
    path.chmod(0o644)

    SessionFile(path).keep("http://one", "t1")

    assert mode(path) == 0o600


@pytest.mark.parametrize("content", ["", "{", '{"tokens":3}', "\x00"])
def test_a_damaged_session_file_counts_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(content)

    assert SessionFile(path).read().tokens == {}


def test_the_stack_is_found_from_any_folder_below_it(tmp_path: Path) -> None:
    (tmp_path / ".errand").mkdir()
    (tmp_path / ".errand" / "stack.json").write_text('{"gateway":"http://here"}')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    found = local_stack(below)
    assert found is not None
    assert found.gateway == "http://here"


async def test_a_token_that_is_good_is_used(tmp_path: Path) -> None:
    async with scripted_gateway(nobody) as gateway:
        gateway.pages = [WELCOME]
        file = SessionFile(tmp_path / "s.json")
        file.keep(gateway.url, "kept")
        assert await signed_in(file, tmp_path) == f"{gateway.url} kept"


async def test_without_a_gateway_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="No gateway is known") as caught:
        await signed_in(SessionFile(tmp_path / "s.json"), tmp_path)

    assert "make run" in caught.value.remedy


async def test_a_token_that_is_no_longer_good_asks_for_pairing(tmp_path: Path) -> None:
    async with scripted_gateway(nobody) as gateway:
        gateway.pages = [REFUSED]
        with pytest.raises(Trouble, match="not signed in") as caught:
            await signed_in(
                SessionFile(tmp_path / "s.json"), tmp_path, gateway=gateway.url, token="old"
            )

    assert f"errand pair {gateway.url} CODE" in caught.value.remedy


async def test_a_gateway_that_is_away_is_not_taken_for_a_bad_token(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "s.json")
    file.keep("http://127.0.0.1:9", "kept")
    with pytest.raises(Unreachable, match="cannot be reached"):
        await signed_in(file, tmp_path)


async def test_a_gateway_whose_database_is_away_is_not_taken_for_a_bad_token(
    tmp_path: Path,
) -> None:
    async with scripted_gateway(nobody) as gateway:
        gateway.pages = [(503, b'{"detail":"The database does not answer.","retryable":true}')]
        with pytest.raises(Unreachable, match="database"):
            await signed_in(
                SessionFile(tmp_path / "s.json"), tmp_path, gateway=gateway.url, token="good"
            )


async def test_the_local_stack_pairs_by_itself(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "config" / "s.json")
    with scripted_http() as gateway:
        gateway.answers = [(200, b'{"code":"ABCD"}'), (200, b'{"token":"fresh"}')]
        (tmp_path / ".errand").mkdir()
        stack = {"gateway": gateway.url, "operator_token": "op"}
        (tmp_path / ".errand" / "stack.json").write_text(json.dumps(stack))

        assert await signed_in(file, tmp_path) == f"{gateway.url} fresh"

    (asked, _), (redeemed, body) = gateway.asked
    assert (asked, redeemed) == ("POST /v1/pairings", "POST /v1/sessions")
    assert json.loads(body) == {"code": "ABCD", "device": {"name": "d", "platform": "cli"}}
    assert file.read().tokens == {gateway.url: "fresh"}
