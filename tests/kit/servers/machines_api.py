"""The real local Machines API in a process of its own, and a worker that follows a script."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.kit.paths import ROOT

TOKEN = "a-token-for-tests"

# Stands in for services.worker: what it does is in BEHAVE, a statement.
WORKER = "import os, signal, subprocess, sys, time; exec(os.environ['BEHAVE'])"
SLEEP = "time.sleep(600)"


class LocalMachines:
    """A running local Machines API: its URL, a client that may use it, and its directory."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self._log = directory / "api.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "DIRECTORY": str(directory),
            "FLY_API_TOKEN": TOKEN,
            "PORT": "0",
            "FAULTS": "1",
            "WORKER_COMMAND": json.dumps([sys.executable, "-c", WORKER]),
            **environment,
        }
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        offset = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.machines_api"],
                env=self._environment,
                cwd=ROOT,
                stderr=log,
                stdout=log,
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and process.poll() is None:
            for line in self._log.read_bytes()[offset:].splitlines():
                with contextlib.suppress(msgspec.DecodeError):
                    told = msgspec.json.decode(line)
                    if isinstance(told, dict) and told.get("message") == "machines_api.listening":
                        self.url = f"http://127.0.0.1:{told['port']}/v1"
                        return process
            time.sleep(0.02)
        process.kill()
        raise AssertionError(f"the Machines API did not start: {self._log.read_text()}")

    def restart(self, number: int) -> None:
        """End the API with a signal, and start it again on the same directory."""
        self.end(number)
        self.process = self._start()

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=20)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=15
        )

    def fault(self, **fault: object) -> None:
        self._faults("POST", json=fault)

    def no_faults(self) -> None:
        self._faults("DELETE")

    def _faults(self, method: str, **request: Any) -> None:
        url = self.url.removesuffix("/v1") + "/faults"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        httpx.request(method, url, headers=headers, **request).raise_for_status()


@contextlib.contextmanager
def local_machines(directory: Path, **environment: str) -> Iterator[LocalMachines]:
    api = LocalMachines(directory, **environment)
    try:
        yield api
    finally:
        if api.process.poll() is None:
            api.end()
