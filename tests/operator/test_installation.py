"""Where an operator's command finds the servers."""

import json
from types import SimpleNamespace

import click
import pytest
from rich.console import Console

from infra.local.keys import Storage
from infra.operator.installation import find_house
from infra.operator.task_keys import read_master
from tests.kit.build.signing_keys import KEYS_TEXT
from tests.kit.run.operator_commands import operate
from tests.kit.servers.stack import RealServers


def operator(folder, **environment):
    return SimpleNamespace(environment=environment, folder=folder, console=Console())


def a_running_stack(folder):
    home = folder / ".errand"
    (home / "keys").mkdir(parents=True)
    (home / "stack.json").write_text(json.dumps({"nats": "nats://127.0.0.1:1"}))
    (home / "ports.json").write_text(json.dumps({"nats": 1, "storage": 2}))
    keys = {"storage_key": "k", "storage_secret": "s", "claim_secret": "x"}
    keys |= {"event_keys": KEYS_TEXT, "events_unsigned_up_to": 0}
    (home / "keys" / "keys.json").write_text(json.dumps(keys))
    return home


def test_a_running_stack_is_found_and_its_key_file_made_once(tmp_path):
    home = a_running_stack(tmp_path)

    house = find_house(operator(tmp_path))
    again = find_house(operator(tmp_path))

    assert house == again
    assert house.log.nats_credentials == str(home / "keys" / "operator.creds")
    assert house.postgres_url == f"postgresql://errand_service@/errand?host={home}/run"
    assert house.redis_url == f"unix://{home}/run/redis.sock"
    offered = Storage(endpoint="http://127.0.0.1:2", key="k", secret="s")
    assert house.storage.endpoint_url == offered.endpoint
    assert (house.storage.bucket, house.storage.region) == (offered.bucket, offered.region)
    assert house.archive_key_file.stat().st_mode & 0o777 == 0o600
    assert len(read_master(house.archive_key_file)) == 32
    assert "k" not in repr(house.storage).replace("bucket", "")


@pytest.mark.parametrize("missing", ["POSTGRES_URL", "S3_BUCKET", "ARCHIVE_KEY_FILE"])
def test_a_missing_setting_is_named(tmp_path, missing):
    names = ("NATS_URL", "POSTGRES_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET")
    more = ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "ARCHIVE_KEY_FILE")
    environment = {name: "x" for name in (*names, *more) if name != missing}
    environment["EVENT_KEYS"] = KEYS_TEXT
    with pytest.raises(click.UsageError, match=missing):
        find_house(operator(tmp_path, **environment))


async def test_a_folder_with_a_running_stack_needs_no_settings(servers: RealServers, tmp_path):
    home = servers.servers.home
    (tmp_path / ".errand").symlink_to(home.directory)
    stack_file = home.directory / "stack.json"
    stack_file.write_text(json.dumps({"nats": servers.nats_url}))
    try:
        said = await operate({}, tmp_path, "archive", "--to", f"s3://{servers.s3.bucket}/found")
    finally:
        stack_file.unlink()
    assert "The archive reaches sequence" in said
