"""The directory a stack lives in: any path, one stack at a time, data kept, secrets private."""

import fcntl
import os
import secrets
import socket
import stat
from pathlib import Path

import asyncpg
import msgspec
import pytest

from infra.local import keys
from infra.local.home import AlreadyRunning, Home, inhabited
from infra.local.servers.provisioning import Servers, running_servers
from infra.log.event_mac import read_keys
from infra.runtime.clock import utc_now
from tests.kit.servers.stack import plain_environment

LONG = "a-directory-with-quite-a-long-name-indeed"


def test_a_second_run_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    with (
        inhabited(tmp_path, {}),
        pytest.raises(AlreadyRunning, match=f"running already .*process {os.getpid()}"),
        inhabited(tmp_path, {}),
    ):
        pass


def test_a_directory_is_free_again_after_the_run(tmp_path: Path) -> None:
    for _ in range(2):
        with inhabited(tmp_path, {}) as home:
            assert home.directory == tmp_path


def test_a_lock_file_left_by_a_killed_run_means_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711\n")
    with inhabited(tmp_path, {}), (tmp_path / "lock").open() as lock:
        assert lock.read() == f"{os.getpid()}\n"
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_sockets_have_a_short_path_wherever_the_directory_is(tmp_path: Path) -> None:
    deep = tmp_path / LONG / LONG / LONG
    with inhabited(deep, {}) as home:
        assert (deep / "run").resolve() == home.sockets.resolve()
        assert stat.S_IMODE(home.sockets.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(home.sockets / ".s.PGSQL.5432"))
    assert not home.sockets.exists()
    assert not (deep / "run").is_symlink()


def test_a_short_path_left_by_a_killed_run_is_cleared(tmp_path: Path) -> None:
    deep = tmp_path / LONG / LONG / LONG
    left = tmp_path / "errand-left"
    left.mkdir()
    deep.mkdir(parents=True)
    (deep / "run").symlink_to(left)
    with inhabited(deep, {}) as home:
        assert home.sockets != left
    assert not left.exists()


def test_a_link_to_somewhere_else_is_never_emptied(tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "run").symlink_to(elsewhere)
    with inhabited(tmp_path / "home", {}):
        pass
    assert (elsewhere / "file").exists()


async def leave_a_trace(home: Home) -> Servers:
    async with running_servers(home, print, clock=utc_now) as (up, _):
        connection = await asyncpg.connect(up.postgres_url)
        await connection.execute("CREATE TABLE IF NOT EXISTS trace (word text)")
        await connection.execute("INSERT INTO trace VALUES ('kept')")
        words = await connection.fetchval("SELECT count(*) FROM trace")
        await connection.close()
        (home.directory / "storage" / up.storage.bucket / str(words)).touch()
        return up


async def test_servers_run_below_a_long_path_and_keep_their_data_between_runs(
    tmp_path: Path,
) -> None:
    deep = tmp_path / LONG / LONG / LONG
    with inhabited(deep, plain_environment()) as home:
        first = await leave_a_trace(home)
    with inhabited(deep, plain_environment()) as home:
        second = await leave_a_trace(home)
    assert sorted(f.name for f in (deep / "storage" / "errand").iterdir()) == ["1", "2"]
    assert second.keys == first.keys
    assert second.ports == first.ports
    private = [*(deep / "keys").iterdir(), deep / "keys", deep]
    assert {stat.S_IMODE(p.stat().st_mode) & 0o077 for p in private} == {0}


def test_a_directory_from_before_there_were_pushes_gets_their_key_and_keeps_the_others(tmp_path):
    file = tmp_path / "keys.json"
    first = keys.load(file, secrets.token_bytes)
    assert keys.load(file, secrets.token_bytes) == first
    kept = msgspec.json.decode(file.read_bytes())
    del kept["vapid_key"]
    file.write_bytes(msgspec.json.encode(kept))
    second = keys.load(file, secrets.token_bytes)
    assert second.vapid_key
    assert msgspec.structs.replace(second, vapid_key=first.vapid_key) == first
    assert keys.load(file, secrets.token_bytes) == second


def test_event_keys_are_made_once_and_what_the_log_holds_by_then_is_unsigned(tmp_path):
    file = tmp_path / "keys.json"
    before = keys.load(file, secrets.token_bytes)
    assert before.event_keys == ""
    made = keys.with_event_keys(file, before, secrets.token_bytes, last_sequence=41)
    assert (
        read_keys(made.event_keys, unsigned_up_to=made.events_unsigned_up_to).unsigned_up_to == 41
    )
    again = keys.load(file, secrets.token_bytes)
    assert keys.with_event_keys(file, again, secrets.token_bytes, last_sequence=99) == made
