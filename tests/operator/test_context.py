"""The place where an operator's command finds the log."""

import json
from pathlib import Path

import click
import pytest

from infra.operator.context import LogAddress, log_address
from tests.kit.build.operators import operator
from tests.kit.build.signing_keys import KEYS_TEXT

LOCAL = "nats://127.0.0.1:4"


def running(folder: Path, content: object) -> Path:
    (folder / ".errand").mkdir(parents=True)
    (folder / ".errand" / "stack.json").write_text(json.dumps(content))
    return folder / ".errand"


def test_the_environment_is_asked_first(tmp_path):
    running(tmp_path, {"nats": LOCAL, "gateway": "http://127.0.0.1:80"})
    log = {"NATS_URL": "nats://there", "NATS_CREDENTIALS": "/x.creds"}
    who = operator(tmp_path, **log, EVENT_KEYS=KEYS_TEXT)
    assert log_address(who, "analytics") == LogAddress(
        nats_url="nats://there", nats_credentials="/x.creds", event_keys=KEYS_TEXT
    )
    with pytest.raises(click.UsageError, match="EVENT_KEYS"):
        log_address(operator(tmp_path, **log), "analytics")
    broken = operator(tmp_path, **log, EVENT_KEYS="gateway:1:c2VjcmV0")
    with pytest.raises(click.UsageError, match="not 32 bytes") as refused:
        log_address(broken, "analytics")
    assert "c2VjcmV0" not in str(refused.value)


def test_else_the_stack_that_runs_in_this_folder_or_above(tmp_path):
    keys = {"credentials": "/keys", "event_keys": KEYS_TEXT, "events_unsigned_up_to": 7}
    running(tmp_path, {"nats": LOCAL, "gateway": "http://127.0.0.1:80", **keys})
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert log_address(operator(below), "analytics") == LogAddress(
        nats_url=LOCAL,
        nats_credentials="/keys/analytics.creds",
        event_keys=KEYS_TEXT,
        events_unsigned_up_to=7,
    )


@pytest.mark.parametrize("content", [None, {"gateway": "http://127.0.0.1:80"}, "nonsense"])
def test_without_either_it_says_what_to_set(tmp_path, content):
    if content is not None:
        running(tmp_path, content)
    with pytest.raises(click.UsageError, match="Set NATS_URL, NATS_CREDENTIALS"):
        log_address(operator(tmp_path), "analytics")
