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
    "tests.kit.browser.chromium",
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background deaf to Ctrl-C, and programs pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)

STACKS = {"stack", "attacked", "poisoned_stack", "own_stack", "hasty"}
SERVERS = {"servers", "log_place", "cluster", "forge", "sandbox", "browser", "chromium", "docker"}
PROGRAMS = {"api", "machines_api", "rehearsal_model", "shared_model", "running", "up", "disks"}
STARTERS = (
    "tests.kit.servers",
    "tests.kit.run",
    "tests.kit.browser",
    "tests.clients.errand_process",
    "tests.faults",
    "tests.attacks",
    "tests.journeys",
)
LIBRARIES = ("tests.kit.servers.shared_certificates", "tests.kit.servers.docker_engine")


def starts_servers(module: str) -> bool:
    """Return whether this module of the tests is one that starts servers and programs."""
    return module.startswith(STARTERS) and not module.startswith(LIBRARIES)


def modules_of_fixtures(item: pytest.Item) -> set[str]:
    """Return the modules of all fixtures that a test asks for, directly or through others."""
    info = getattr(item, "_fixtureinfo", None)
    found = info.name2fixturedefs.values() if info else ()
    return {each.func.__module__ for fixtures in found for each in fixtures}


def modules_of_imports(item: pytest.Item) -> set[str]:
    """Return the modules that define what the module of a test imports, but for the fixtures."""
    module = getattr(item, "module", None)
    return {getattr(each, "__module__", None) or "" for each in vars(module).values()}


def needs_server(item: pytest.Item) -> bool:
    """Return whether a test belongs to the tier that `make test-fast` leaves out."""
    names = set(getattr(item, "fixturenames", ()))
    if names & (STACKS | SERVERS | PROGRAMS) or item.get_closest_marker("docker") is not None:
        return True
    return any(map(starts_servers, modules_of_fixtures(item) | modules_of_imports(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a server, and put the files first that take longest.

    So no worker ends with one of the long files alone.
    """
    wanted: dict[object, set[str]] = defaultdict(set)
    for item in items:
        wanted[item.path] |= set(getattr(item, "fixturenames", ()))
        if needs_server(item):
            item.add_marker("server")

    def place(item: pytest.Item) -> int:
        names = wanted[item.path]
        if "faults" in item.path.parts:
            return 0
        return 1 if names & STACKS else 2 if names & SERVERS else 3

    items.sort(key=place)
