"""Fixtures that every part of the suite may ask for."""

import pytest

pytest_plugins = ("tests.support.stack", "tests.support.forge", "tests.support.cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on three NATS servers: `make test-cluster` runs it, `make test` does not."""
    for item in items:
        chosen = getattr(item, "callspec", None)
        is_replicated = chosen is not None and "R3" in map(str, chosen.params.values())
        if is_replicated or "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)
