"""Whatever is wrong with a request, the answer names the cause and the remedy; nothing hangs."""

import asyncio
import os
import sys

import pytest

from clients.cli.errors import CliError
from events import TaskFailed
from infra.local.demo.sample_repositories import PROMPTS
from infra.local.settings import Settings
from tests.kit.run.phone import repository, signed_in
from tests.kit.servers.stack import real_stack


async def failure_of(phone, prompt, url, **more):
    task = await phone.submit(prompt, url, **more)
    async with asyncio.timeout(180):
        seen = await phone.until_end(task["id"])
    assert isinstance(seen[-1].event, TaskFailed), seen[-1]
    assert seen[-1].event.detail
    assert seen[-1].event.remedy
    return seen[-1].event


async def test_an_empty_prompt_is_refused(phone):
    with pytest.raises(CliError, match="(?i)prompt"):
        await phone.submit("  \n", "https://example.com/a/b")


async def test_a_prompt_of_a_megabyte_is_refused(phone):
    with pytest.raises(CliError, match="(?i)(prompt|body).*(KiB|bytes|long|large)"):
        await phone.submit("x" * 1_000_000, "https://example.com/a/b")


async def test_a_repository_on_no_known_forge_is_refused(phone):
    with pytest.raises(CliError, match="(?i)forge|repository"):
        await phone.submit("fix it", "https://example.com/a/b")


async def test_a_repository_that_does_not_exist_fails_the_task(stack, phone):
    url = f"{stack.forge.url}/errand/nothing-here.git"
    assert (await failure_of(phone, "fix it", url)).reason == "repository_not_found"


async def test_a_base_branch_that_does_not_exist_fails_the_task(stack, phone):
    made = await repository(stack, "slugify")
    failure = await failure_of(phone, "fix it", made.url, base="no-such-branch")
    assert failure.reason == "base_not_found"
    assert "no-such-branch" in failure.detail


async def test_a_refused_key_fails_the_task(stack, tmp_path):
    model = f"http://127.0.0.1:{stack.servers.ports['model']}"
    settings = Settings(
        sandbox="bubblewrap", anthropic_base_url=model, anthropic_api_key="not-the-key"
    )
    with real_stack(tmp_path, settings) as wrong:
        phone = await signed_in(wrong)
        async with phone.gateway:
            made = await repository(wrong, "slugify")
            failure = await failure_of(phone, PROMPTS["slugify"], made.url)
    assert failure.reason == "model_refused_key"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "", "-r", "URL"], "prompt"),
        (["run", "fix it", "-r", "https://example.com/a/b"], "forge"),
        (["run", "fix it", "-r", "/no/such/folder"], "neither a folder nor a URL"),
        (["run", "fix it", "-r", "URL", "-b", "no-such-branch"], "no-such-branch"),
        (["watch", "task_" + "a" * 26], "no task"),
    ],
)
async def test_the_terminal_says_what_is_wrong(stack, phone, tmp_path, arguments, says):
    made = await repository(stack, "slugify")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "clients.cli",
        *[a.replace("URL", made.url) if a == "URL" else a for a in arguments],
        env={
            "PATH": os.environ["PATH"],
            "ERRAND_URL": stack.gateway_url,
            "ERRAND_TOKEN": phone.gateway.token,
            "ERRAND_CONFIG": str(tmp_path),
            "COLUMNS": "200",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        output, _ = await child.communicate()
    assert child.returncode == 1, output.decode()
    assert says in output.decode()
    assert "Traceback" not in output.decode()
