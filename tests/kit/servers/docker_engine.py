"""The Docker engine in tests: asked for by the marker `docker`, and out of reach of all others.

A test marked `docker` is skipped, with the reason, where no engine answers or the sandbox's image
is missing. Every other test, and every program it starts, finds no engine at all. So a test that
needs one and is not marked fails on every machine, and cannot be forgotten.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import pytest

from services.worker.sandbox.backends.docker import engine_answers
from services.worker.sandbox.choice import DEFAULT_IMAGE

NO_ENGINE: Final = "unix:///only-tests-marked-docker-reach-an-engine.sock"

_VARIABLE: Final = "DOCKER_HOST"
ENGINE: Final = os.environ.get(_VARIABLE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Give the engine to the test if it is marked; hide it from the test if it is not."""
    is_marked = item.get_closest_marker("docker") is not None
    with docker_host(ENGINE if is_marked else NO_ENGINE):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a marked test where it cannot run."""
    if item.get_closest_marker("docker") is not None and (reason := _missing()):
        pytest.skip(reason)


@cache
def _missing() -> str:
    return engine_answers(DEFAULT_IMAGE)


@contextmanager
def docker_host(address: str | None) -> Iterator[None]:
    """Let DOCKER_HOST name this engine within the block; None: the usual one."""
    before = os.environ.pop(_VARIABLE, None)
    if address is not None:
        os.environ[_VARIABLE] = address
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)
        if before is not None:
            os.environ[_VARIABLE] = before
