"""A repository is set up once: the next task finds what was installed, and its tests pass."""

import pytest

from events import EnvironmentPrepared, ModelReplied, TaskFinished, ToolCompleted
from infra.stores.object_store import BucketAddress, open_bucket
from tests.kit.run.phone import Phone, repository, signed_in
from tests.kit.servers.forge import git_ok
from tests.kit.servers.stack import RealStack

PROMPT = "The tests fail, fix it."
TESTS = """import unittest

import installed


class TestInstalled(unittest.TestCase):
    def test_what_set_up_installed_is_there(self):
        self.assertEqual(installed.VALUE, 1)
"""
INSTALL = "mkdir packages && echo VALUE = 1 > packages/installed.py && echo installed all of it"
ENVIRONMENT = {"setup": INSTALL, "start": 'export PYTHONPATH="$PWD/packages"', "egress": "off"}


@pytest.fixture
async def phone(stack: RealStack):
    device = await signed_in(stack)
    async with device.gateway:
        yield device


@pytest.fixture
async def made(stack, tmp_path):
    """A repository whose tests need what its set-up installs."""
    made = await repository(stack, "slugify")
    clone = tmp_path / "clone"
    url = made.url.replace("://", f"://x-access-token:{stack.forge.token}@", 1)
    git_ok("clone", "-q", url, clone)
    git_ok("rm", "-rq", "tests", inside=clone)
    (clone / "tests").mkdir()
    (clone / "tests" / "__init__.py").write_text("")
    (clone / "tests" / "test_installed.py").write_text(TESTS)
    git_ok("add", "-A", inside=clone)
    git_ok("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "Tests", inside=clone)
    git_ok("push", "-q", inside=clone)
    return made


async def carried_out(phone: Phone, url: str, **environment):
    task = await phone.submit(PROMPT, url, environment={**ENVIRONMENT, **environment})
    events = [recorded.event for recorded in await phone.until_end(task["id"])]
    assert any(isinstance(event, TaskFinished) for event in events)
    [prepared] = [event for event in events if isinstance(event, EnvironmentPrepared)]
    return prepared, events


async def test_the_second_task_starts_from_the_cache_and_its_tests_pass(
    stack: RealStack, phone: Phone, made
):
    first, events = await carried_out(phone, made.url)
    assert (first.source, first.cached, first.exit_code, first.problem) == ("task", False, 0, "")
    assert "installed all of it" in first.output
    tested = [event for event in events if isinstance(event, ToolCompleted)]
    assert any("OK" in event.output for event in tested), [event.output for event in tested]
    assert "all pass" in said(events)

    second, events = await carried_out(phone, made.url)
    assert second.cached
    assert second.key == first.key
    assert not second.output
    assert "all pass" in said(events)

    broken, events = await carried_out(phone, made.url, setup="echo no such package >&2; exit 7")
    assert (broken.cached, broken.exit_code) == (False, 7)
    assert "no such package" in broken.output
    assert "exit code 7" in broken.problem

    await damage_packs(stack)
    again, events = await carried_out(phone, made.url)
    assert (again.cached, again.exit_code, again.problem) == (False, 0, "")
    assert "all pass" in said(events)


async def damage_packs(stack: RealStack) -> None:
    """Put other bytes where the packs of set-ups are kept."""
    storage = stack.s3
    address = BucketAddress(
        endpoint_url=storage.endpoint,
        region=storage.region,
        bucket=storage.bucket,
        access_key_id=storage.key,
        secret_access_key=storage.secret,
    )
    async with open_bucket(address) as bucket:
        keys = await bucket.keys("environments/")
        assert keys
        for key in keys:
            await bucket.put(key, b"no pack")


def said(events) -> str:
    last = [event for event in events if isinstance(event, ModelReplied)][-1]
    return str(last.blocks[-1].get("text", ""))
