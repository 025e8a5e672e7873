"""Migrations on a real Postgres."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from infra.stores.postgres.migrations import migrate


def write(folder: Path, **scripts: str) -> None:
    for name, script in scripts.items():
        (folder / f"{name.lstrip('_')}.sql").write_text(script)


async def names(connection: asyncpg.Connection, schema: str = "shop") -> list[str]:
    rows = await connection.fetch(f"SELECT name FROM {schema}.migration ORDER BY name")
    return [row["name"] for row in rows]


async def test_files_are_applied_once_in_their_order(fresh_database: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        _0002_more="ALTER TABLE shop.item ADD COLUMN doors int;",
        _0001_first="CREATE TABLE shop.item (name text); INSERT INTO shop.item VALUES ('hall');",
    )
    connection = await asyncpg.connect(fresh_database)
    try:
        assert await migrate(connection, "shop", tmp_path) == ["0001_first.sql", "0002_more.sql"]
        assert await migrate(connection, "shop", tmp_path) == []
        write(tmp_path, _0003_last="UPDATE shop.item SET doors = 2;")
        assert await migrate(connection, "shop", tmp_path) == ["0003_last.sql"]
        assert await connection.fetchval("SELECT doors FROM shop.item") == 2
        assert len(await names(connection)) == 3
    finally:
        await connection.close()


async def test_a_file_that_fails_leaves_the_schema_as_it_was(
    fresh_database: str, tmp_path: Path
) -> None:
    write(tmp_path, _0001_good="CREATE TABLE shop.item ();", _0002_bad="SELECT no_such_thing();")
    connection = await asyncpg.connect(fresh_database)
    try:
        with pytest.raises(asyncpg.UndefinedFunctionError):
            await migrate(connection, "shop", tmp_path)
        assert await connection.fetchval("SELECT to_regnamespace('shop')") is None
    finally:
        await connection.close()


async def test_of_many_at_once_one_works(fresh_database: str, tmp_path: Path) -> None:
    write(tmp_path, _0001_first="CREATE TABLE shop.item (); SELECT pg_sleep(0.1);")

    async def one() -> list[str]:
        connection = await asyncpg.connect(fresh_database)
        try:
            return await migrate(connection, "shop", tmp_path)
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(5)]

    assert sorted(task.result() for task in tasks) == [[], [], [], [], ["0001_first.sql"]]


async def test_two_schemas_do_not_know_of_each_other(fresh_database: str, tmp_path: Path) -> None:
    write(tmp_path, _0001_nothing="SELECT 1;")
    connection = await asyncpg.connect(fresh_database)
    try:
        await migrate(connection, "shop", tmp_path)
        assert await migrate(connection, "garden", tmp_path) == ["0001_nothing.sql"]
    finally:
        await connection.close()


async def test_two_files_of_one_number_are_refused_before_anything_is_written(
    fresh_database: str, tmp_path: Path
) -> None:
    write(tmp_path, _0001_first="SELECT 1;", _0002_rooms="SELECT 1;", _0002_doors="SELECT 1;")
    connection = await asyncpg.connect(fresh_database)
    try:
        with pytest.raises(ValueError, match=r"0002_doors\.sql.*0002_rooms\.sql"):
            await migrate(connection, "shop", tmp_path)
        assert await connection.fetchval("SELECT to_regnamespace('shop')") is None
    finally:
        await connection.close()


async def test_only_numbered_sql_files_are_scripts(fresh_database: str, tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "0001_first.sql~").write_text("nonsense")
    (tmp_path / "notes.sql").write_text("nonsense")
    connection = await asyncpg.connect(fresh_database)
    try:
        assert await migrate(connection, "shop", tmp_path) == []
    finally:
        await connection.close()
