"""Command `errand environments`: how repositories are set up, and what is kept of set-ups."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway
from clients.cli.repository.environment_file import read_environment
from clients.cli.view.event_view import format_count, plain
from events.protocol.api.environments import (
    EnvironmentList,
    RepositoryEnvironment,
    repository_id,
)
from events.worker import EnvironmentDefinition

_MEBIBYTE: Final = 1024 * 1024
_repository = click.argument("repository")


@click.group(invoke_without_command=True)
@click.pass_context
def environments(context: click.Context) -> None:
    """Show how repositories are set up and why; set it; drop what is kept of set-ups.

    REPOSITORY is its address, or any part of it that names one repository of the list.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_environments)


@environments.command("list")
@pass_cli_context
def list_environments(context: CliContext) -> int:
    """List the repositories that have settings, were set up, or have packs."""

    async def show(gateway: Gateway) -> None:
        found = (await gateway.get("/v1/environments", EnvironmentList)).data
        for each in found:
            size = sum(pack.size_bytes for pack in each.packs) / _MEBIBYTE
            kept = f"{format_count(len(each.packs), 'pack')}, {size:.1f} MiB"
            context.console.print(Text(plain(each.url)), soft_wrap=True)
            line = f"  {plain(each.reason)}; {kept}"
            context.console.print(Text(line, style="dim"), soft_wrap=True)
        if not found:
            context.console.print(Text("No environments. The first task on a repository finds it."))

    return _with_gateway(context, show)


@environments.command("show")
@_repository
@pass_cli_context
def show_environment(context: CliContext, *, repository: str) -> int:
    """Show which definition is in force for a repository, why, and its packs."""

    async def show(gateway: Gateway) -> None:
        _print(context.console, await _find(gateway, repository))

    return _with_gateway(context, show)


@environments.command("set")
@_repository
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@pass_cli_context
def set_environment(context: CliContext, *, repository: str, file: Path) -> int:
    """Set how a repository is set up for all tasks from now on, as a TOML file says (owner)."""
    wanted = read_environment(file)

    async def change(gateway: Gateway) -> None:
        found = await _find(gateway, repository)
        _print(context.console, await gateway.put(_path(found), wanted, RepositoryEnvironment))

    return _with_gateway(context, change)


@environments.command("reset")
@_repository
@pass_cli_context
def reset_environment(context: CliContext, *, repository: str) -> int:
    """Remove the settings: what stands in the repository holds again (owner)."""

    async def change(gateway: Gateway) -> None:
        found = await _find(gateway, repository)
        await gateway.delete(_path(found))
        _print(context.console, await gateway.get(_path(found), RepositoryEnvironment))

    return _with_gateway(context, change)


@environments.command("drop")
@_repository
@click.argument("key", default="")
@pass_cli_context
def drop_packs(context: CliContext, *, repository: str, key: str) -> int:
    """Drop a repository's packs, or the one whose key begins with KEY: set-up runs again."""

    async def drop(gateway: Gateway) -> None:
        found = await _find(gateway, repository)
        keys = [pack.key for pack in found.packs if pack.key.startswith(key)]
        for each in keys:
            await gateway.delete(f"{_path(found)}/packs?key={each}")
        context.console.print(Text(f"Dropped {format_count(len(keys), 'pack')}."))

    return _with_gateway(context, drop)


def _with_gateway(context: CliContext, work: Callable[[Gateway], Awaitable[None]]) -> int:
    async def run() -> None:
        async with await context.sign_in() as gateway:
            await work(gateway)

    asyncio.run(run())
    return 0


async def _find(gateway: Gateway, repository: str) -> RepositoryEnvironment:
    """Return the environment of an address, or of the one repository that a part of it names."""
    if "://" in repository:
        path = f"/v1/repositories/{repository_id(repository)}/environment"
        return await gateway.get(path, RepositoryEnvironment)
    known = (await gateway.get("/v1/environments", EnvironmentList)).data
    found = [each for each in known if repository in each.url]
    if len(found) != 1:
        many = "No" if not found else "More than one"
        raise CliError(
            f"{many} repository of the list has {repository!r} in its address.",
            "Give the whole address; `errand environments` lists those that are known.",
        )
    return found[0]


def _path(found: RepositoryEnvironment) -> str:
    return f"/v1/repositories/{found.id}/environment"


def _print(console: Console, found: RepositoryEnvironment) -> None:
    console.print(Text(plain(found.url), style="bold"), soft_wrap=True)
    console.print(Text(f"In force: {plain(found.reason)}"), soft_wrap=True)
    if found.definition is not None:
        for line in _lines(found.definition):
            console.print(Text(f"  {plain(line)}"), soft_wrap=True)
    for pack in found.packs:
        size = f"{pack.size_bytes / _MEBIBYTE:.1f} MiB"
        used = f"used {format_count(pack.uses, 'time')}, last {pack.used_at:%Y-%m-%d %H:%M}"
        line = f"Pack {pack.key[:12]}  {size}, made by {pack.task}, {used}"
        console.print(Text(line, style="dim"), soft_wrap=True)


def _lines(definition: EnvironmentDefinition) -> list[str]:
    scripts = [
        f"{name}: {line}"
        for name in ("setup", "start")
        for line in getattr(definition, name).splitlines()
        if line.strip()
    ]
    reach = f"network: set-up {definition.egress}, agent {definition.agent_egress}"
    hosts = f"; also {', '.join(definition.allow)}" if definition.allow else ""
    variables = [f"env: {name}={value}" for name, value in definition.env.items()]
    return [*scripts, reach + hosts, *variables]
