"""The JWTs of NATS: pure, signed, and worded as the server expects (tried in tests/stack)."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import nkeys
import pytest

from infra.log import nats_users
from infra.log.nats_permissions import PERMISSIONS, ROLES, Role, WorkerGrant, worker_permissions

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OPERATOR = nats_users.seed("operator", bytes(range(32)))
ACCOUNT = nats_users.seed("account", bytes(range(1, 33)))
SIGNING = nats_users.seed("account", bytes(range(2, 34)))
USER = nats_users.seed("user", bytes(range(3, 35)))
GRANT = WorkerGrant("acc_a", "task_t", "w-task_t-a2")


def claims(token: str) -> dict[str, Any]:
    header, body, signature = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")
    )
    assert json.loads(header) == {"typ": "JWT", "alg": "ed25519-nkey"}
    content: dict[str, Any] = json.loads(body)
    public = base64.b32decode(content["iss"] + "=" * (-len(content["iss"]) % 8))
    verify = nkeys.nacl.signing.VerifyKey(public[1:-2])
    verify.verify(token.rpartition(".")[0].encode(), signature)
    return content


def worker_text(**changes: Any) -> str:
    signer = nats_users.Signer(nats_users.public_key(ACCOUNT), SIGNING)
    arguments = {"user_seed": USER, "now": NOW, "expires": NOW + timedelta(hours=1), **changes}
    return nats_users.worker_user(signer, GRANT, **arguments)


@pytest.mark.parametrize(("kind", "letter"), [("operator", "O"), ("account", "A"), ("user", "U")])
def test_keys_say_what_they_are_in_their_first_letters(kind: Any, letter: str) -> None:
    seed = nats_users.seed(kind, bytes(32))
    assert seed.startswith(f"S{letter}")
    assert nats_users.public_key(seed).startswith(letter)
    assert len(nats_users.public_key(seed)) == 56


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert worker_text() == worker_text()


def test_a_worker_is_bound_to_its_task_its_reader_its_inbox_and_an_end() -> None:
    user = nats_users.read_credentials(worker_text())
    said = claims(user.token)
    assert said["exp"] == int((NOW + timedelta(hours=1)).timestamp())
    assert said["sub"] == nats_users.public_key(USER)
    assert said["iss"] == nats_users.public_key(SIGNING)
    assert said["nats"]["issuer_account"] == nats_users.public_key(ACCOUNT)
    assert said["nats"]["pub"]["allow"] == [
        "events.acc_a.task_t",
        "beat.acc_a.task_t",
        "live.acc_a.task_t",
        "$JS.API.CONSUMER.MSG.NEXT.EVENTS.w-task_t-a2",
    ]
    assert said["nats"]["sub"]["allow"] == ["_INBOX_w-task_t-a2.>"]


@pytest.mark.parametrize("part", ["a.b", "*", ">", "", "a b", "a\r\nPUB x", "$JS"])
def test_a_grant_of_anything_but_plain_words_is_refused(part: str) -> None:
    for grant in (GRANT._replace(account=part), GRANT._replace(task=part)):
        with pytest.raises(ValueError, match="not a plain word"):
            worker_permissions(grant)
    with pytest.raises(ValueError, match="not a plain word"):
        worker_permissions(GRANT._replace(reader=part))


@pytest.mark.parametrize("role", ROLES)
def test_a_service_may_what_the_table_says_and_does_not_expire(role: Role) -> None:
    text = nats_users.service_user(role, account_seed=ACCOUNT, user_seed=USER, now=NOW)
    said = claims(nats_users.read_credentials(text).token)
    assert said["name"] == role
    assert "exp" not in said
    assert tuple(said["nats"]["pub"]["allow"]) == PERMISSIONS[role].publish
    assert tuple(said["nats"]["sub"]["allow"]) == PERMISSIONS[role].subscribe


def test_no_service_may_publish_everything() -> None:
    for role in ROLES:
        assert not {">", "$JS.>", "$JS.API.>", "$SYS.>"} & set(PERMISSIONS[role].publish)


def test_workers_have_no_jetstream_and_reach_four_services() -> None:
    own, core = nats_users.public_key(SIGNING), nats_users.public_key(ACCOUNT)
    token = nats_users.workers_account_jwt(OPERATOR, own, signing_key=own, exporter=core, now=NOW)
    said = claims(token)["nats"]
    assert "disk_storage" not in said["limits"]
    assert {each["subject"] for each in said["imports"]} == {
        "events.>",
        "beat.>",
        "live.>",
        "$JS.API.CONSUMER.MSG.NEXT.EVENTS.*",
    }


def test_the_inbox_is_read_from_the_credentials() -> None:
    assert nats_users.inbox_prefix(worker_text()) == "_INBOX_w-task_t-a2"
    text = nats_users.service_user("gateway", account_seed=ACCOUNT, user_seed=USER, now=NOW)
    assert nats_users.inbox_prefix(text) == "_INBOX"


def test_a_text_that_is_no_credentials_is_refused() -> None:
    with pytest.raises(ValueError, match="not a NATS credentials text"):
        nats_users.read_credentials("hello")
