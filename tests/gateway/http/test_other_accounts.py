"""Every route of the description, asked for what is another account's. A new route is tried too."""

import re
from base64 import urlsafe_b64encode
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.gateway.kit.full_task import OUTPUT_VERSION, a_full_task, a_furnished_world, belongings
from tests.gateway.kit.histories import projected
from tests.gateway.kit.schemas import fitting
from tests.kit.build.images import png

PROMPT = "a prompt that only ada may read"
REPOSITORY = urlsafe_b64encode(b"https://github.com/ada/app").decode().rstrip("=")
SETUP = "echo a-set-up-that-is-adas-alone"
SECRET = {"provider": "anthropic", "text": "sk-ant-a-key-that-is-adas-alone"}


@pytest.fixture
async def world(servers, fresh_database, tmp_path):
    async with a_furnished_world(servers, fresh_database, tmp_path) as made:
        yield made


def operations(document):
    """Each operation a person may ask: its method, path and description."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "operator" not in operation["tags"] and operation.get("security") != []:
                yield method.upper(), path, operation


def query(operation):
    """The parameters that an operation insists on: of the full task there is a file `x`."""
    needed = [p for p in operation.get("parameters", ()) if p["in"] == "query" and p["required"]]
    return {p["name"]: {"path": "x"}[p["name"]] for p in needed}


async def asked(client, method, path, operation, document):
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return await client.request(
        method,
        path,
        params=query(operation),
        json=fitting(body["schema"], document) if body else None,
        headers={"Idempotency-Key": str(uuid4())},
    )


async def an_upload(person):
    headers = {"Content-Type": "image/png"}
    answer = await person.http.post("/v1/attachments", content=png(), headers=headers)
    return answer.json()["id"]


class Belongings:
    """The ids of Ada's things, by the name of the path parameter that takes them."""

    def __init__(self, known):
        self.known = known

    async def find(self, client, path, document):
        """Look a parameter up in the list at the address before it, where nothing is known yet."""
        for before, name in re.findall(r"(?=(/.*?)/\{(\w+)\})", path)[:1]:
            if name in self.known or "get" not in document["paths"].get(before, {}):
                continue
            listed = (await client.get(before)).json().get("data", [])
            ids = [each.get("id") or each.get(name) for each in listed]
            if ids:
                self.known[name] = ids[0]

    def fill(self, path):
        missing = set(re.findall(r"\{(\w+)\}", path)) - set(self.known)
        assert not missing, f"{path}: let this test make Ada a {missing} of her own"
        return path.format(**self.known)


async def test_what_is_anothers_is_not_there_whatever_the_route(world, servers, fresh_database):
    ada, bob = await world.person("ada"), await world.person("bob")
    task = await a_full_task(ada, world, servers, PROMPT)
    connection = await asyncpg.connect(fresh_database)
    await projected(connection, ada, task)
    await connection.close()
    assert (await ada.http.put("/v1/secrets", json=SECRET)).status_code == 200
    settings = f"/v1/repositories/{REPOSITORY}/environment"
    assert (await ada.http.put(settings, json={"setup": SETUP})).status_code == 200
    document = (await ada.http.get("/docs/openapi.json")).json()
    session = ada.session["session"]
    made = (await ada.http.post(f"/v1/tasks/{task}/shares", json={})).json()
    adas = Belongings(
        {
            "task": task,
            "share": made["share"]["share"],
            "session": session,
            "request_id": "req_1",
            "name": "page.html",
            "version": OUTPUT_VERSION,
            "instruction": 1,
            "attachment": await an_upload(ada),
            "repository": REPOSITORY,
            **await belongings(ada),
        }
    )
    tried, leaks = 0, []
    for method, path, operation in operations(document):
        await adas.find(ada.http, path, document)
        if "{" in path:
            answer = await asked(bob.http, method, adas.fill(path), operation, document)
            is_own = "{repository}" in path  # an address is nobody's; its settings are the asker's
            if answer.status_code not in (401, 403, 404) and not is_own:
                leaks.append((method, path, answer.status_code, answer.text[:200]))
            tried += 1
        elif method == "GET":
            answer = await bob.http.get(path)
            assert answer.status_code < 500, (path, answer.text)
        else:
            continue
        private = {PROMPT, SETUP, *adas.known.values(), ada.session["account"]}
        private -= {"req_1", "page.html", OUTPUT_VERSION, 1, REPOSITORY}
        leaks += [(method, path, value) for value in private if value in answer.text]
    assert not leaks
    assert tried >= 15
    assert (await ada.http.get(f"/v1/tasks/{task}")).json()["phase"] == "waiting"
    assert (await ada.http.get("/v1/me")).json()["session"] == session
    assert len((await ada.http.get("/v1/secrets")).json()["data"]) == 1


async def test_what_is_ones_own_is_there_so_that_the_other_test_means_something(world, servers):
    ada = await world.person("ada")
    task = await a_full_task(ada, world, servers, PROMPT)
    document = (await ada.http.get("/docs/openapi.json")).json()
    adas = Belongings({"task": task, "request_id": "req_1", "name": "page.html"})
    adas.known["version"] = OUTPUT_VERSION
    for method, path, operation in operations(document):
        if method == "GET" and set(re.findall(r"\{(\w+)\}", path)) <= set(adas.known):
            answer = await ada.http.get(adas.fill(path), params=query(operation))
            unlinked = answer.status_code == 409 and "github" in answer.json()["code"]
            assert answer.status_code == 200 or unlinked, (path, answer.text)


async def test_no_route_but_the_open_ones_answers_without_a_session(world):
    document = (await (await world.client()).get("/docs/openapi.json")).json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation.get("security") == [] or {} in operation.get("security", ()):
                continue
            places = [p for p in operation.get("parameters", ()) if p["in"] == "path"]
            plain = path.format(**{p["name"]: fitting(p["schema"], document) for p in places})
            for token in ("", "errand_session_wrong"):
                client = await world.client(token)
                answer = await asked(client, method.upper(), plain, operation, document)
                assert answer.status_code == httpx.codes.UNAUTHORIZED, (method, path, answer.text)
