"""`errand projector`, as an operator types it."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import asyncpg
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from infra.log.jetstream import JetStreamLog
from services.projector.commands import projector
from services.projector.history.store import Store
from tests.kit.build.operators import operator
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint
from tests.kit.run.devices import new_history
from tests.kit.run.history_loop import projecting, whole_story
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import RealServers

Errand = Callable[..., Any]


@pytest.fixture
def errand(servers: RealServers, fresh_database: str, tmp_path: Path) -> Errand:
    """Type a command; returns its result and what it showed."""

    def typed(*words: str, **environment: str) -> tuple[Result, str]:
        screen = io.StringIO()
        settings = {
            "NATS_URL": servers.nats_url,
            "NATS_CREDENTIALS": str(servers.credentials("projector")),
            **servers.event_key_settings,
            "POSTGRES_URL": fresh_database,
            **environment,
        }
        person = operator(tmp_path, Console(file=screen, width=120), **settings)
        result = CliRunner().invoke(projector, words, obj=person)
        return result, screen.getvalue() + result.output

    async def type_it(*words: str, **environment: str) -> tuple[int, str]:
        result, shown = await asyncio.to_thread(typed, *words, **environment)
        return result.exit_code, shown

    return type_it


async def test_a_rebuild_shows_that_it_is_equal_and_what_it_keeps(
    servers: RealServers, fresh_database: str, errand: Errand
) -> None:
    async with as_admin(servers) as admin, as_role(servers, "projector") as nats:
        head = await whole_story(JetStreamLog[Any](admin), new_history())
        async with projecting(JetStreamLog[Never](nats), fresh_database):
            await eventually(
                lambda: checkpoint(fresh_database), until=lambda at: at >= head.sequence, seconds=60
            )
            code, shown = await errand("rebuild")
            assert (code, "table by table" in shown, "are kept" in shown) == (0, True, True), shown

            code, shown = await errand("rebuild", "--model", "usage")
            assert (code, "errand projector forget" in shown) == (1, True)
            assert await errand("forget") == (0, "Dropped: read_previous.\n")
            assert await errand("forget") == (0, "Nothing is kept.\n")

            code, shown = await errand("rebuild", "--model", "usage", "--from-scratch")
            assert (code, "usage" in shown, "tool_call" in shown) == (0, True, False), shown


async def test_only_one_rebuild_runs_at_a_time(
    servers: RealServers, fresh_database: str, errand: Errand
) -> None:
    async with as_role(servers, "projector") as nats:
        info = await JetStreamLog[Never](nats).info()
    store = Store(fresh_database)
    await store.open(info.created)
    await store.close()
    link = await asyncpg.connect(fresh_database)
    await link.execute("SELECT pg_advisory_lock(x'72656164'::int)")

    for words in (["rebuild"], ["forget"]):
        code, shown = await errand(*words)
        assert (code, "under way" in shown) == (1, True), shown

    await link.close()


async def test_what_is_missing_is_said(errand: Errand) -> None:
    for environment, cause in (
        ({}, "Start the projector"),
        ({"POSTGRES_URL": ""}, "Set POSTGRES_URL"),
        ({"POSTGRES_URL": "postgresql://nobody@/none?host=/nowhere"}, "PostgreSQL refused"),
        ({"NATS_URL": ""}, "Set NATS_URL"),
    ):
        code, shown = await errand("rebuild", **environment)
        assert (code != 0, cause in shown) == (True, True), shown
