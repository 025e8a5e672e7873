"""The toolchains inside bubblewrap: the machine's own, and nothing of Errand's."""

import os
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.local.sandbox.toolchains import find_toolchains
from infra.runtime.installation import own_directories
from services.worker.sandbox.backends.bubblewrap import BubblewrapBackend
from services.worker.sandbox.sandbox import BackendSandbox
from tests.kit.paths import ROOT
from tests.kit.servers.sandboxes import running_sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap needs Linux")
MARKER = "marker_of_an_installation"
BASE = Path(sys.base_prefix)


@asynccontextmanager
async def showing(
    scratch: Path, toolchain: tuple[Path, ...], own: tuple[Path, ...]
) -> AsyncIterator[BackendSandbox]:
    backend = BubblewrapBackend(scratch, task="task_tools", toolchain=toolchain, own=own)
    sandbox = BackendSandbox(backend)
    await sandbox.start()
    try:
        yield sandbox
    finally:
        await sandbox.stop()


async def said(sandbox: BackendSandbox, script: str) -> str:
    ended = await sandbox.execute(("bash", "-c", script), timeout_seconds=60)
    return ended.output.decode(errors="replace").strip()


@pytest.fixture(params=["~", "/opt", "/usr/local/lib", "/tmp", "/srv"])
def checkout(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A checkout with an environment, as `make setup` makes it, in a usual place."""
    place = Path(request.param).expanduser()
    if not os.access(place, os.W_OK):
        pytest.skip(f"{place} cannot be written")
    with tempfile.TemporaryDirectory(dir=place, prefix="errand-") as directory:
        root = Path(directory)
        root.chmod(0o755)
        (root / "pyproject.toml").write_text(MARKER)
        packages = root / ".venv/lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        packages.mkdir(parents=True)
        (packages / f"{MARKER}.py").write_text("")
        (root / ".venv/pyvenv.cfg").write_text(f"home = {BASE / 'bin'}\n")
        programs = root / ".venv/bin"
        programs.mkdir()
        for name in ("python3", "python"):
            (programs / name).symlink_to(BASE / "bin/python3")
        (programs / MARKER).write_text("#!/bin/sh\necho here\n")
        (programs / MARKER).chmod(0o755)
        yield root


async def test_nothing_of_an_installation_is_seen_wherever_it_lies(
    tmp_path: Path, checkout: Path
) -> None:
    search = f"{checkout / '.venv/bin'}:{os.environ['PATH']}"
    found = find_toolchains({"HOME": str(checkout.parent), "PATH": search}, own=(checkout,))
    asked_for = (*found, checkout / ".venv", checkout)
    async with showing(tmp_path, asked_for, (checkout,)) as sandbox:
        assert str(checkout) not in await said(sandbox, "echo $PATH")
        assert await said(sandbox, f"find {checkout} -mindepth 1 2>/dev/null") == ""
        assert await said(sandbox, f"command -v {MARKER}") == ""
        assert "No module" in await said(sandbox, f"python3 -c 'import {MARKER}' 2>&1")


async def test_no_package_of_this_very_installation_can_be_imported() -> None:
    names = "services infra msgspec nats asyncpg anthropic pytest pytest_asyncio click"
    script = f"""
import importlib.util, sys
print([name for name in {names.split()!r} if importlib.util.find_spec(name)], sys.prefix)
"""
    async with running_sandbox("bubblewrap") as sandbox:
        await sandbox.write("look.py", script.encode())
        found = await said(sandbox, "cd /; for p in python3 python; do $p -I ~-/look.py; done")
        assert [line.split("]")[0] for line in found.splitlines()] == ["[", "["], found
        for own in (*own_directories(), ROOT):
            assert await said(sandbox, f"find {own} -mindepth 1 2>/dev/null | head -n 3") == ""
        assert await said(sandbox, "command -v pytest ruff mypy uvicorn") == ""


async def test_a_person_can_make_an_environment_and_install_into_their_home() -> None:
    async with running_sandbox("bubblewrap") as sandbox:
        await sandbox.write("one-1.0-py3-none-any.whl", _wheel("one"))
        install = "python3 -m pip install --user --no-index --quiet ./one-1.0-py3-none-any.whl"
        assert await said(sandbox, f"{install} && python3 -c 'import one; print(one.X)'") == "7"
        made = "python3 -m venv --without-pip ~/made && ~/made/bin/python -c 'import sys; "
        assert await said(sandbox, f"{made}print(sys.prefix)'") == "/home/agent/made"


async def test_packages_that_a_machine_has_for_everybody_are_not_a_projects(
    tmp_path: Path,
) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:  # the sandbox has its own /tmp
        prefix = Path(directory)
        prefix.chmod(0o755)
        library = prefix / "lib/python3.11/site-packages"
        for name in ("pip", "click", "setuptools_scm"):
            (library / name).mkdir(parents=True)
        (library / "pip-23.0.dist-info").mkdir()
        (prefix / "bin").mkdir()
        for name in ("python3.11", "pip3", "flask"):
            (prefix / "bin" / name).write_text("")
        (prefix / "bin/python3").symlink_to("python3.11")
        async with showing(tmp_path, (prefix,), ()) as sandbox:
            assert (await said(sandbox, f"ls {library}")).split() == ["pip", "pip-23.0.dist-info"]
            programs = (await said(sandbox, f"ls {prefix}/bin")).split()
            assert programs == ["pip3", "python3", "python3.11"]
            assert "Read-only" in await said(sandbox, f"touch {library}/new 2>&1")


def _wheel(name: str) -> bytes:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w") as wheel:
            information = f"{name}-1.0.dist-info"
            wheel.writestr(f"{name}.py", "X = 7\n")
            wheel.writestr(
                f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            )
            wheel.writestr(
                f"{information}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            wheel.writestr(f"{information}/RECORD", "")
        file.seek(0)
        return file.read()
