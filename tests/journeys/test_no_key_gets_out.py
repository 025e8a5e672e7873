"""No key and no forge token is found outside the broker's own settings, however it is spelled.

Passed over are the places the broker's settings come from on this machine (the stack's own `keys`
and `stack.json`, readable by their owner), the broker's environment, and the stand-ins for the
world outside: the forge and the model know the token and the key that open them.
"""

import secrets
from typing import Any

import httpx
import psutil

from events import ToolCompleted
from infra.local.keys import SECRETS_KEY
from infra.stores.object_store import BucketAddress, open_bucket
from tests.kit.probe import secret_search
from tests.kit.run.phone import repository
from tests.kit.servers.nats_connections import as_role

SETTINGS = ("keys", "stack.json")
OUTSIDE = ("infra.simulators.github", "infra.simulators.anthropic")


async def keep(phone, **payload: Any) -> None:
    headers = {"Authorization": f"Bearer {phone.gateway.token}"}
    async with httpx.AsyncClient(base_url=phone.gateway.url, headers=headers) as client:
        answer = await client.put("/v1/secrets", json=payload)
        assert answer.status_code == 200, answer.text


async def test_no_key_is_found_outside_the_brokers_settings(stack, phone):
    made = await repository(stack, "slugify")
    keys, home = stack.servers.keys, stack.servers.home
    own = {kind: f"{kind}-{secrets.token_hex(9)}+/=&%?{secrets.token_hex(9)}" for kind in "kt"}
    # The account's token is for another repository; its key would be used, so it is replaced.
    await keep(phone, provider="forge", name=f"{made.url.rpartition('/')[0]}/other", text=own["t"])
    await keep(phone, provider="anthropic", text=own["k"])
    await keep(phone, provider="anthropic", text=keys.model_key)
    wrapping = (home.secrets / SECRETS_KEY).read_text().strip()
    known = [keys.model_key, keys.forge_token, keys.model_admin_key, *own.values(), wrapping]
    spelled = sorted({each for secret in known for each in secret_search.spellings(secret)})

    task = await phone.submit("rehearse 4 tool calls of 0.5 seconds", made.url)
    is_running, holders, workers = True, {}, 0
    async for recorded in phone.watch(task["id"]):
        if isinstance(recorded.event, ToolCompleted) and is_running:
            is_running = False
            alive = psutil.Process().children(recursive=True)
            workers = sum("services.worker" in " ".join(p.cmdline()) for p in alive)
            holders = secret_search.in_processes(alive, spelled)
    assert (await phone.task(task["id"]))["phase"] == "finished"

    assert workers, "no worker was looked at"
    broker = f"{stack.pid('broker')} environ"
    assert broker in holders, "the search finds nothing, not even what is there"
    strangers = {
        place: arguments
        for place, arguments in holders.items()
        if place != broker and not (place.endswith("environ") and arguments.endswith(OUTSIDE))
    }
    assert not strangers

    s3 = stack.s3
    storage = BucketAddress(
        endpoint_url=s3.endpoint,
        region=s3.region,
        bucket=s3.bucket,
        access_key_id=s3.key,
        secret_access_key=s3.secret,
    )
    async with as_role(stack, "operator") as operator, open_bucket(storage) as objects:
        assert await secret_search.in_log(operator, spelled) == []
        assert await secret_search.in_objects(objects, spelled) == []
    assert await secret_search.in_postgres(stack.postgres_url, spelled) == []
    assert await secret_search.in_redis(stack.redis_url, spelled) == []
    assert secret_search.in_files(home.directory, known[:2]), "the search finds nothing at all"
    assert secret_search.in_files(home.directory, spelled, but=SETTINGS) == []
