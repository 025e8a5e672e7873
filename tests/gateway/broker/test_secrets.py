"""Sealed keys: what people store, who gets to see it, and what a rotation of keys leaves behind."""

from base64 import b64encode
from secrets import token_bytes as entropy

import pytest

from infra.runtime.clock import utc_now
from infra.runtime.settings import Misconfigured
from services.gateway.accounts.tokens import Digests
from services.gateway.broker.secrets.key_encryption import read_keys
from services.gateway.broker.secrets.public_key import SEALED, PublicKey, publish
from services.gateway.broker.secrets.store import SecretStore
from services.gateway.broker.secrets.vault import Vault
from services.gateway.problems import Refused
from services.gateway.stores.database import create_pool, prepare_schema
from tests.gateway.kit.git_tasks import forge_settings, task_on_repository
from tests.gateway.kit.model_calls import call_model, request_body, task_with_worker
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.spend import calls, rows
from tests.kit.run.gateway import OPERATOR, REPOSITORY, a_world
from tests.kit.run.rehearsal_model import KEY, running_model

OLD, NEW = (b64encode(bytes([n]) * 32).decode() for n in (1, 2))
SECRET = "sk-ant-a-secret-of-adas-wxyz"


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "secrets.key"
    file.write_text(f"{OLD}\n")
    return file


@pytest.fixture
async def world(servers, fresh_database, key_file):
    async with a_world(servers, fresh_database, secrets_key_file=str(key_file)) as made:
        await made.broker.url()  # it publishes the key under which the gateway seals
        yield made


@pytest.fixture
async def database(fresh_database):
    """A database with the schema, and two accounts."""
    await prepare_schema(fresh_database)
    add = "INSERT INTO accounts.account VALUES ($1, $1, now())"
    for account in ("acc_a", "acc_b"):
        await rows(fresh_database, add, account)
    return fresh_database


@pytest.fixture
async def pool(database):
    async with create_pool(database) as made:
        yield made


DIGESTS = Digests("claim-secret")


class VaultAndStore:
    """The broker's vault, and the gateway's store that seals for it."""

    def __init__(self, pool, file):
        self.pool, self.keys = pool, read_keys(file, entropy)
        self.vault = Vault(pool, self.keys, DIGESTS)
        self.store = SecretStore(pool, DIGESTS, clock=utc_now, entropy=entropy)
        self.current, self.reveal, self.rewrap = (
            self.vault.current,
            self.vault.reveal,
            self.vault.rewrap,
        )
        self.counted = self.store.counted

    async def put(self, *secret):
        await publish(self.pool, self.keys.public_key, DIGESTS)
        return await self.store.put(*secret)


def vault(pool, file):
    return VaultAndStore(pool, file)


async def test_a_secret_is_written_listed_by_its_end_replaced_and_deleted(world, fresh_database):
    ada, bob = await world.person("ada"), await world.person("bob")
    payload = {"provider": "anthropic", "text": SECRET}
    kept = await ada.http.put("/v1/secrets", json=payload)
    assert kept.status_code == 200, kept.text
    assert (kept.json()["last4"], kept.json()["version"]) == ("wxyz", 1)
    again = (
        await ada.http.put("/v1/secrets", json={**payload, "text": "sk-another-one-1234"})
    ).json()
    assert (again["last4"], again["version"], again["id"]) == ("1234", 2, kept.json()["id"])
    token = {"provider": "forge", "name": REPOSITORY + ".git", "text": "short-tok"}
    assert (await ada.http.put("/v1/secrets", json=token)).json()["name"] == REPOSITORY
    listed = await ada.http.get("/v1/secrets")
    assert [s["provider"] for s in listed.json()["data"]] == ["anthropic", "forge"]
    assert listed.json()["data"][1]["last4"] == ""  # too short to show any of it
    assert (await bob.http.get("/v1/secrets")).json() == {"data": []}
    is_problem(await bob.http.delete(f"/v1/secrets/{again['id']}"), 404, "not_found")
    assert (await ada.http.delete(f"/v1/secrets/{again['id']}")).status_code == 204
    is_problem(await ada.http.delete(f"/v1/secrets/{again['id']}"), 404, "not_found")
    dump = str(await rows(fresh_database, "SELECT s::text FROM accounts.secret s"))
    assert "short-tok" not in dump
    assert b"short-tok".hex() not in dump


NO_SECRETS = [
    ({"provider": "anthropic", "text": "short"}, "secret_refused"),
    ({"provider": "anthropic", "text": "has a space in it"}, "secret_refused"),
    ({"provider": "anthropic", "text": "line\nend-in-it"}, "secret_refused"),
    ({"provider": "anthropic", "text": SECRET, "name": "x"}, "secret_name_refused"),
    ({"provider": "forge", "text": SECRET}, "repository_missing"),
    ({"provider": "forge", "text": SECRET, "name": "https://evil/a/b"}, "repository_refused"),
    ({"provider": "openai", "text": SECRET}, "invalid_request"),
]


async def test_what_is_no_secret_is_refused_and_never_told_back(world):
    ada = await world.person("ada")
    for payload, code in NO_SECRETS:
        answer = await ada.http.put("/v1/secrets", json=payload)
        is_problem(answer, 422, code)
        assert SECRET not in answer.text


async def test_without_a_key_file_no_secret_is_taken(servers, fresh_database):
    async with a_world(servers, fresh_database) as world:
        ada = await world.person("ada")
        payload = {"provider": "anthropic", "text": SECRET}
        is_problem(await ada.http.put("/v1/secrets", json=payload), 409, "secrets_not_set_up")


async def test_the_accounts_own_key_is_used_and_then_the_servers_again(
    servers, fresh_database, key_file, tmp_path
):
    with running_model(tmp_path / "model") as model:
        known = {"model_base_url": model.url, "model_api_key": "sk-the-refused_forges-has-none"}
        async with a_world(
            servers, fresh_database, secrets_key_file=str(key_file), **known
        ) as world:
            ada = await world.person("ada")
            _, worker = await task_with_worker(world, ada)
            assert (await call_model(worker, request_body())).status_code == 401
            payload = {"provider": "anthropic", "text": KEY}
            kept = (await ada.http.put("/v1/secrets", json=payload)).json()
            assert (await call_model(worker, request_body())).status_code == 200
            [_, call] = await calls(fresh_database)
            assert call["is_own_key"]
            used = (await ada.http.get("/v1/usage?by=model")).json()["data"]
            assert [(u["key"], u["calls"]) for u in used] == [("claude-sonnet-5-5", 1)]
            assert used[0]["own_key_microusd"] == used[0]["cost_microusd"] > 0
            await ada.http.delete(f"/v1/secrets/{kept['id']}")
            assert (await call_model(worker, request_body())).status_code == 401


async def test_a_rotation_wraps_all_again_and_goes_on_where_it_was_broken_off(pool, key_file):
    old = vault(pool, key_file)
    for number in range(5):
        await old.put("acc_a", "forge", f"https://forge/{number}", f"secret-number-{number}")
    key_file.write_text(f"{NEW}\n{OLD}\n")
    both = vault(pool, key_file)
    await both.put("acc_a", "forge", "https://forge/0", "secret-number-0")  # as if it had begun
    assert await both.counted() == {both.current: 1, old.current: 4}
    assert await both.rewrap() == 5
    assert await both.rewrap() == 0
    assert await both.counted() == {both.current: 5}
    key_file.write_text(f"{NEW}\n")
    new = vault(pool, key_file)
    for number in range(5):
        revealed = await new.reveal("acc_a", "forge", f"https://forge/{number}")
        assert revealed == f"secret-number-{number}"


async def test_a_row_that_was_moved_or_brought_back_does_not_open(pool, key_file, database):
    kept = vault(pool, key_file)
    await kept.put("acc_a", "anthropic", "", SECRET)
    assert await kept.reveal("acc_a", "anthropic", "") == SECRET
    assert await kept.reveal("acc_b", "anthropic", "") is None
    for change in ("account = 'acc_b'", "name = 'x'", "version = 2", "sealed = sealed || '\\x00'"):
        await rows(database, f"UPDATE accounts.secret SET {change}")
        [row] = await rows(database, "SELECT * FROM accounts.secret")
        with pytest.raises(Refused, match="does not open"):
            await kept.reveal(row["account"], row["provider"], row["name"])
        await rows(database, "DELETE FROM accounts.secret")
        await kept.put("acc_a", "anthropic", "", SECRET)


@pytest.mark.parametrize("wrapped", ["by the store", "by the vault"])
async def test_a_secret_opens_before_and_after_the_broker_has_wrapped_it(
    pool, key_file, database, wrapped
):
    kept = vault(pool, key_file)
    await kept.put("acc_a", "anthropic", "", SECRET)
    [row] = await rows(database, "SELECT wrapped_by FROM accounts.secret")
    assert row["wrapped_by"] == kept.current + SEALED
    if wrapped == "by the vault":
        assert await kept.rewrap() == 1
        assert await kept.rewrap() == 0
    assert await kept.reveal("acc_a", "anthropic", "") == SECRET


async def test_what_a_stranger_wrote_into_the_database_does_not_open(pool, key_file, database):
    kept, other = vault(pool, key_file), Digests("of another installation")
    await publish(pool, kept.keys.public_key, other)  # a key that a stranger put there
    with pytest.raises(Refused, match="SECRETS_KEY_FILE"):
        await kept.store.put("acc_a", "anthropic", "", SECRET)
    stranger = SecretStore(pool, other, clock=utc_now, entropy=entropy)
    await stranger.put("acc_a", "anthropic", "", "sk-of-the-stranger")
    with pytest.raises(Refused, match="does not open"):
        await kept.reveal("acc_a", "anthropic", "")
    assert await kept.rewrap() == 0
    await publish(pool, PublicKey("kek_x", bytes(range(32))), DIGESTS)
    await kept.store.put("acc_a", "anthropic", "", SECRET)  # for a broker that has another file
    with pytest.raises(Refused, match="does not open"):
        await kept.reveal("acc_a", "anthropic", "")


async def test_without_its_key_a_secret_stays_shut_and_whole(pool, key_file, tmp_path):
    await vault(pool, key_file).put("acc_a", "anthropic", "", SECRET)
    other = tmp_path / "other.key"
    other.write_text(NEW)
    lost = vault(pool, other)
    assert await lost.rewrap() == 0
    with pytest.raises(Refused, match="Store the secret again"):
        await lost.reveal("acc_a", "anthropic", "")
    assert await vault(pool, key_file).reveal("acc_a", "anthropic", "") == SECRET


@pytest.mark.parametrize("text", ["", "x", "AAAA", f"{OLD}\nx", "\xff"])
def test_a_key_file_that_is_none_is_refused_without_telling_it(tmp_path, text):
    file = tmp_path / "k"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(Misconfigured, match="SECRETS_KEY_FILE") as refused:
        read_keys(file, entropy)
    assert OLD not in str(refused.value)


async def test_the_operator_sees_how_far_a_rotation_has_come(world):
    ada, operator = await world.person("ada"), await world.client(OPERATOR)
    await ada.http.put("/v1/secrets", json={"provider": "anthropic", "text": SECRET})
    state = (await operator.get("/v1/operator/key-encryption")).json()
    assert state["secrets"] == {state["current"]: 1}
    is_problem(await ada.http.get("/v1/operator/key-encryption"), 401, "unauthenticated")


async def test_a_forge_token_of_the_account_goes_before_the_servers(
    servers, fresh_database, key_file, forge
):
    refused_forges = forge_settings(forge, token="the-refused_forges-may-not")
    async with a_world(
        servers, fresh_database, secrets_key_file=str(key_file), forges=refused_forges
    ) as world:
        errand = await task_on_repository(world, forge.create("app"))
        assert "repository_refused" in (await errand.git("ls-remote", errand.url)).errors
        for name, text in ((forge.url, forge.token), (f"{forge.url}/errand/app", "wrong-token")):
            payload = {"provider": "forge", "name": name, "text": text}
            assert (await errand.ada.http.put("/v1/secrets", json=payload)).status_code == 200
            code = (await errand.git("ls-remote", errand.url)).code
            assert code == (0 if text == forge.token else 128)
        worker = await world.broker_client(errand.token)
        is_problem(await worker.get("/broker/forge/repository"), 403, "repository_refused")


async def test_only_an_owner_sets_budgets_and_keeps_secrets(world):
    owner = await world.person()
    invited = await owner.http.post("/v1/members", json={"name": "Grace"})
    nobody = await world.client()
    body = {"code": invited.json()["code"], "device": {"name": "laptop", "platform": "t"}}
    session = (await nobody.post("/v1/sessions", json=body)).json()
    member = await world.client(session["token"])

    secret = {"provider": "anthropic", "name": "", "text": "sk-theirs-and-nobody-elses"}
    for answer in (
        await member.put("/v1/settings", json={}),
        await member.put("/v1/secrets", json=secret),
        await member.delete("/v1/secrets/sec_" + "a" * 26),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "owner_only"), answer.text
