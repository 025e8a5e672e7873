"""Telemetry of a service. `configure` is for a whole process, so each test has its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.runtime.telemetry import LossyStream


def told(program: str, *, level: str = "INFO") -> list[dict[str, Any]]:
    """Run a program whose telemetry is set up; return its log lines."""
    setup = (
        "from infra.runtime import telemetry\n"
        f"telemetry.configure('tester', level={level!r})\n"
        "log = telemetry.logger('a.module')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", setup + program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == ""
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_a_log_line_is_one_json_object_with_what_is_bound() -> None:
    [line] = told(
        "import structlog\n"
        "with structlog.contextvars.bound_contextvars(task='task_1'):\n"
        "    log.info('it happened', count=2)\n"
    )

    assert line["message"] == "it happened"
    assert (line["service"], line["module"], line["task"]) == ("tester", "a.module", "task_1")
    assert (line["level"], line["count"]) == ("info", 2)
    assert line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_not_told() -> None:
    assert told("log.info('quiet')", level="warning") == []


def test_an_exception_is_told_without_the_values_of_variables() -> None:
    [line] = told(
        "def open_safe():\n"
        "    combination = 'hunter' + '2'\n"
        "    raise ValueError('stuck')\n"
        "try:\n    open_safe()\nexcept ValueError:\n    log.exception('no luck')\n"
    )

    assert line["exception"][0]["exc_value"] == "stuck"
    assert "hunter2" not in json.dumps(line)


def test_a_trace_goes_from_one_service_to_the_next_in_the_headers() -> None:
    first, second = told(
        "headers = {}\n"
        "with telemetry.span('ask', task='task_1'):\n"
        "    telemetry.inject(headers)\n"
        "    log.info('asked')\n"
        "with telemetry.span_from(headers, 'answer'):\n"
        "    log.info('answered')\n"
    )

    assert len(first["trace"]) == 32
    assert first["trace"] == second["trace"]


def test_without_a_span_no_trace_is_told() -> None:
    assert "trace" not in told("log.info('alone')")[0]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        told("", level="LOUD")

    assert "LOG_LEVEL 'LOUD' is none of" in caught.value.stderr


def test_metrics_are_served_on_a_port_of_their_own() -> None:
    [line] = told(
        "import socket, urllib.request\n"
        "with socket.socket() as probe:\n"
        "    probe.bind(('127.0.0.1', 0))\n"
        "    port = probe.getsockname()[1]\n"
        "telemetry.serve_metrics(port)\n"
        "text = urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics').read().decode()\n"
        "log.info('scraped', has_process='process_cpu_seconds_total' in text)\n"
    )

    assert line["has_process"]


def test_port_zero_serves_no_metrics() -> None:
    assert told("telemetry.serve_metrics(0)") == []


WRITES = (
    "import logging, sys\n"
    "from infra.runtime import telemetry\n"
    "telemetry.configure('tester')\n"
    "log = telemetry.logger('a.module')\n"
    "for number in range(100):\n"
    "    log.info('a line', number=number, text='x' * 1000)\n"
    "    logging.getLogger('a.library').error('a line too')\n"
    "try:\n"
    "    raise ValueError('a secret place')\n"
    "except ValueError:\n"
    "    log.exception('and a trace')\n"
    "print('went on')\n"
)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_the_log_ends_nothing() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", WRITES],
            check=False,
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=60,
        )
    assert (ended.returncode, ended.stdout) == (0, b"went on\n")


def test_a_log_whose_reader_has_gone_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-c", WRITES],
        check=False,
        stdout=subprocess.PIPE,
        stderr=writer,
        timeout=60,
    )
    os.close(writer)
    assert (ended.returncode, ended.stdout) == (0, b"went on\n")


def test_a_closed_standard_error_ends_nothing() -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, WRITES],
        check=False,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (0, b"went on\n")


def test_a_log_whose_reader_has_stopped_reading_stops_nothing() -> None:
    reader, writer = os.pipe()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", WRITES],
            check=False,
            stdout=subprocess.PIPE,
            stderr=writer,
            timeout=60,
        )
        os.close(writer)
        with open(reader, "rb", closefd=False) as told:
            lines = told.read().splitlines()
    finally:
        os.close(reader)
    assert (ended.returncode, ended.stdout) == (0, b"went on\n")
    assert json.loads(lines[0])["message"] == "a line"
    assert sum(map(len, lines)) > 32 * 1024  # what the pipe takes, and no more


def test_a_pipe_that_is_emptied_again_gets_whole_lines() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as told, os.fdopen(writer, "w") as pipe:
        stream = LossyStream(pipe)
        while not stream.is_full:
            stream.write("x" * 9_999 + "\n")
        told.read(2**20)
        stream.write("a line\n")
        assert told.read(2**20).splitlines()[-1] == b"a line"


READINESS = (
    "import socket, urllib.error, urllib.request\n"
    "from prometheus_client import Gauge\n"
    "gauge = Gauge('errand_thing_available', 'Whether the thing is there.')\n"
    "with socket.socket() as probe:\n"
    "    probe.bind(('127.0.0.1', 0))\n"
    "    port = probe.getsockname()[1]\n"
    "telemetry.serve_metrics(port, needed={'thing': 'errand_thing_available'})\n"
    "def ask(path):\n"
    "    try:\n"
    "        answer = urllib.request.urlopen(f'http://127.0.0.1:{port}{path}')\n"
    "    except urllib.error.HTTPError as error:\n"
    "        answer = error\n"
    "    return answer.status, answer.read().decode()\n"
    "for value in (0, 1, 0):\n"
    "    gauge.set(value)\n"
    "    status, body = ask('/health/ready')\n"
    "    log.info('asked', status=status, body=body)\n"
    "log.info('scraped', has_gauge='errand_thing_available 0.0' in ask('/metrics')[1])\n"
)


def test_readiness_follows_the_gauges_of_the_servers_that_are_needed() -> None:
    *asked, scraped = told(READINESS)

    unavailable = '{"status":"unavailable","parts":{"thing":"unavailable"}}'
    assert [(line["status"], line["body"]) for line in asked] == [
        (503, unavailable),
        (200, '{"status":"ok","parts":{"thing":"ok"}}'),
        (503, unavailable),
    ]
    assert scraped["has_gauge"]
