"""A test reaches a Docker engine only when it is marked `docker`."""

import os

import pytest

from services.worker.sandbox.backends.docker import engine_answers
from services.worker.sandbox.choice import DEFAULT_IMAGE
from tests.kit.servers.docker_engine import NO_ENGINE


def test_a_test_that_is_not_marked_finds_no_engine():
    assert os.environ["DOCKER_HOST"] == NO_ENGINE
    assert "no Docker engine answers" in engine_answers(DEFAULT_IMAGE)


@pytest.mark.docker
def test_a_test_that_is_marked_runs_only_where_engine_and_image_are():
    assert os.environ.get("DOCKER_HOST") != NO_ENGINE
    assert engine_answers(DEFAULT_IMAGE) == ""
