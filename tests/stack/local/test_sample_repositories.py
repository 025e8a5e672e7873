"""The sample repositories: as a person finds them, before an errand."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from infra.local.demo import sample_repositories
from infra.local.demo.sample_repositories import CannotMake, ForgeAccount
from infra.runtime.clock import utc_now
from infra.simulators import anthropic
from tests.kit.servers.forge import LocalForge, git_ok


def run_tests(tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "unittest"],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("sample", sample_repositories.PROMPTS)
async def test_a_sample_becomes_a_repository_with_a_history(
    forge: LocalForge, tmp_path: Path, sample: str
) -> None:
    made = await forge.sample(sample)
    git_ok("clone", "--quiet", made.url, tmp_path / "c")
    assert git_ok("rev-list", "--count", "HEAD", inside=tmp_path / "c") == "3"
    ended = run_tests(tmp_path / "c")
    assert (ended.returncode == 0) is (sample != "slugify")
    assert git_ok("status", "--porcelain", inside=tmp_path / "c") == ""


def test_the_rehearsal_model_knows_every_task() -> None:
    scripts = Path(anthropic.__file__).parent / "scripts"
    known = {tomllib.loads(file.read_text())["example"] for file in scripts.glob("*.toml")}
    assert set(sample_repositories.PROMPTS.values()) <= known


async def test_the_failing_sample_is_fixed_by_one_small_edit(
    forge: LocalForge, tmp_path: Path
) -> None:
    made = await forge.sample("slugify")
    git_ok("clone", "--quiet", made.url, tmp_path / "c")
    assert "FAILED (failures=2)" in run_tests(tmp_path / "c").stderr
    file = tmp_path / "c" / "slugify" / "text.py"
    before = file.read_text()
    assert before.count("slug[: end + 1]") == 1
    file.write_text(before.replace("slug[: end + 1]", "slug[:end]"))
    assert run_tests(tmp_path / "c").returncode == 0


async def test_the_same_sample_twice_makes_two_repositories(forge: LocalForge) -> None:
    assert [(await forge.sample("greeter")).name for _ in range(2)] == ["greeter", "greeter-2"]


async def test_a_wrong_token_is_said_so(forge: LocalForge) -> None:
    account = ForgeAccount(forge.api_url, "ghp_wrong", os.environ["PATH"])
    with pytest.raises(CannotMake, match="Bad credentials"):
        await sample_repositories.create("greeter", account, clock=utc_now)


async def test_an_unreachable_forge_is_said_so() -> None:
    account = ForgeAccount("http://127.0.0.1:9/api/v3", "t", os.environ["PATH"])
    with pytest.raises(CannotMake, match="cannot be reached"):
        await sample_repositories.create("greeter", account, clock=utc_now)
