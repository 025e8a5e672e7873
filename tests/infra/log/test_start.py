"""Modules that a service imports at its start to speak to NATS."""

import subprocess
import sys

import pytest

from tests.kit.paths import ROOT

LOOK = "import sys; sys.exit(' '.join(n for n in ('aiohttp', 'boto3') if n in sys.modules))"


@pytest.mark.parametrize("service", ["projector", "scheduler", "worker"])
def test_services_start_without_libraries_they_do_not_use(service):
    started = subprocess.run(
        [sys.executable, "-c", f"import services.{service}.main; {LOOK}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.stderr.strip() == ""


def test_aiohttp_is_there_for_whoever_needs_it():
    program = "import infra.log.jetstream.connection, aiohttp; aiohttp.ClientSession"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
