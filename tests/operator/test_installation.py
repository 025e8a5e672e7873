"""The place where an operator's command finds the servers."""

from urllib.parse import urlsplit

import click
import msgspec
import pytest

from events.protocol.local_stack import STACK_FILE, LocalStack, LocalStorage
from infra.local.servers.programs import SERVICE_USER, database_url
from infra.local.stack_file import describe_servers, published
from infra.operator.installation import find_installation
from infra.operator.task_keys import read_master
from tests.kit.build.operators import operator
from tests.kit.build.signing_keys import KEYS_TEXT
from tests.kit.run.operator_commands import operate, operator_environment
from tests.kit.servers.stack import RealServers


def a_running_stack(folder):
    home = folder / ".errand"
    (home / "keys").mkdir(parents=True)
    storage = LocalStorage("http://127.0.0.1:2", "us-east-1", "errand", "id-7", "secret-7")
    stack = LocalStack(
        gateway="http://127.0.0.1:3",
        nats="nats://127.0.0.1:1",
        credentials=str(home / "keys"),
        event_keys=KEYS_TEXT,
        postgres_url="postgresql://here",
        redis_url="unix://there",
        storage=storage,
    )
    (home / STACK_FILE).write_bytes(msgspec.json.encode(stack))
    return home


def test_a_running_stack_is_found_and_its_key_file_made_once(tmp_path):
    home = a_running_stack(tmp_path)

    installation = find_installation(operator(tmp_path))
    again = find_installation(operator(tmp_path))

    assert installation == again
    assert installation.log.nats_credentials == str(home / "keys" / "operator.creds")
    assert installation.postgres_url == "postgresql://here"
    assert installation.redis_url == "unix://there"
    assert installation.storage.endpoint_url == "http://127.0.0.1:2"
    assert (installation.storage.bucket, installation.storage.region) == ("errand", "us-east-1")
    assert installation.archive_key_file.stat().st_mode & 0o777 == 0o600
    assert len(read_master(installation.archive_key_file)) == 32
    shown = repr(installation.storage)
    assert "id-7" not in shown
    assert "secret-7" not in shown


@pytest.mark.parametrize("missing", ["POSTGRES_URL", "S3_BUCKET", "ARCHIVE_KEY_FILE"])
def test_a_missing_setting_is_named(tmp_path, missing):
    names = ("NATS_URL", "POSTGRES_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET")
    more = ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "ARCHIVE_KEY_FILE")
    environment = {name: "x" for name in (*names, *more) if name != missing}
    environment["EVENT_KEYS"] = KEYS_TEXT
    with pytest.raises(click.UsageError, match=missing):
        find_installation(operator(tmp_path, **environment))


async def test_a_folder_with_a_running_stack_needs_no_settings(servers: RealServers, tmp_path):
    home = servers.servers.home
    (tmp_path / ".errand").symlink_to(home.directory)
    description = msgspec.structs.replace(
        describe_servers(servers.servers), gateway="http://127.0.0.1:1"
    )
    with published(home.stack_file, description):
        said = await operate({}, tmp_path, "archive", "--to", f"s3://{servers.s3.bucket}/found")
    assert "The archive reaches sequence" in said


async def test_a_role_without_rights_to_the_database_is_refused_with_the_remedy(
    servers: RealServers, fresh_database: str, tmp_path
):
    environment = operator_environment(servers, tmp_path)
    to = f"s3://{servers.s3.bucket}/rights"
    stranger = database_url(
        servers.servers.home.sockets, urlsplit(fresh_database).path[1:], SERVICE_USER
    )

    said = await operate(
        {**environment, "POSTGRES_URL": stranger}, tmp_path, "archive", "--to", to, code=1
    )

    assert "PostgreSQL refuses this: permission denied" in said
    assert "the role that owns the database's schemas" in said
