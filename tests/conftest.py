"""Fixtures that every part of the suite may ask for."""

import signal
from collections import defaultdict

import pytest

pytest_plugins = (
    "tests.kit.servers.docker_engine",
    "tests.kit.servers.stack",
    "tests.kit.servers.forge",
    "tests.kit.servers.cluster",
    "tests.kit.servers.shared_certificates",
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background deaf to Ctrl-C, and programs pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)

STACKS = {"stack", "attacked", "house", "own_stack", "hasty"}
SERVERS = {"servers", "log_place", "cluster", "forge", "sandbox", "browser", "docker"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files first that take longest, so that no worker ends with one of them alone."""
    wanted: dict[object, set[str]] = defaultdict(set)
    for item in items:
        wanted[item.path] |= set(getattr(item, "fixturenames", ()))

    def place(item: pytest.Item) -> int:
        names = wanted[item.path]
        if "faults" in item.path.parts:
            return 0
        return 1 if names & STACKS else 2 if names & SERVERS else 3

    items.sort(key=place)
