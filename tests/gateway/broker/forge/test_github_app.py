"""Tokens of a GitHub App: for one repository, made on use, by the broker, from the local forge."""

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.runtime.clock import utc_now
from services.gateway.broker.forge.github_app import PERMISSIONS, GitHubApp
from services.gateway.problems import Refused
from services.gateway.tasks.repository_url import Forge, locate
from tests.gateway.kit.git_tasks import task_on_repository
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.spend import rows
from tests.kit.run.gateway import a_world
from tests.kit.servers.forge import git, running_forge

APP = "4711"


def key_pair(directory: Path, name: str) -> tuple[Path, Path]:
    key = rsa.generate_private_key(65537, 2048)
    private, public = directory / f"{name}.pem", directory / f"{name}.pub"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(pem, form))
    return private, public


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A forge on which the App is installed, and the App's private key."""
    directory = tmp_path_factory.mktemp("app")
    private, public = key_pair(directory, "app")
    settings = {"APP_ID": APP, "APP_PUBLIC_KEY_FILE": str(public)}
    with running_forge(directory / "forge", **settings) as forge:
        for name in ("one", "two"):
            forge.create(name)
        yield forge, private


def app_forge(forge, private, **changes):
    known = {"kind": "github", "url": forge.url, "api_url": forge.api_url}
    known |= {"app_id": APP, "app_key_file": str(private)}
    return {**known, **changes}


def place(forge, name="one"):
    known = Forge(kind="github", url=forge.url, api_url=forge.api_url)
    return locate(f"{forge.url}/{forge.login}/{name}", [known])


async def test_a_task_clones_pushes_and_proposes_with_the_apps_token(
    servers, fresh_database, installed, tmp_path
):
    forge, private = installed
    forges = msgspec.json.encode([app_forge(forge, private)]).decode()
    async with a_world(servers, fresh_database, forges=forges) as world:
        errand = await task_on_repository(world, forge.clone_url("one"))
        clone = await errand.clone(tmp_path / "clone")
        errand.commit(clone)
        pushed = await errand.push(clone, f"HEAD:refs/heads/{errand.branch}")
        assert pushed.code == 0, pushed.errors
        made = await errand.propose()
        assert made.json()["created"], made.text
        nowhere = await task_on_repository(world, f"{forge.url}/{forge.login}/none")
        assert "app_not_installed" in (await nowhere.git("ls-remote", nowhere.url)).errors
        tables = "SELECT string_agg(t::text, '') AS dump FROM accounts.broker_token t"
        assert "ghs_" not in str(await rows(fresh_database, tables))


async def test_a_key_the_forge_does_not_know_is_told_in_words(
    servers, fresh_database, installed, tmp_path
):
    forge, _ = installed
    other, _ = key_pair(tmp_path, "other")
    forges = msgspec.json.encode([app_forge(forge, other)]).decode()
    async with a_world(servers, fresh_database, forges=forges) as world:
        errand = await task_on_repository(world, forge.clone_url("one"))
        assert "app_refused" in (await errand.git("ls-remote", errand.url)).errors
        worker = await world.broker_client(errand.token)
        is_problem(await worker.get("/broker/forge/repository"), 403, "app_refused")


async def test_a_token_opens_its_own_repository_only(installed, tmp_path):
    forge, private = installed
    async with httpx.AsyncClient() as client:
        app = GitHubApp(client, app_id=APP, key=private.read_text(), clock=utc_now)
        token = await app.token(place(forge, "one"))
    own, other = forge.clone_url("one"), forge.clone_url("two")

    async def ls(url):
        return (await asyncio.to_thread(git, "ls-remote", url, token=token)).code

    assert (await ls(own), await ls(other)) == (0, 128)
    with forge.client(token) as api:
        assert api.get(f"/repos/{forge.login}/one").status_code == 200
        assert api.get(f"/repos/{forge.login}/two").status_code == 404
        assert api.delete(f"/repos/{forge.login}/one").status_code == 404
        assert api.post("/user/repos", json={"name": "x"}).status_code == 403


async def test_a_token_is_kept_until_shortly_before_its_end(installed):
    forge, private = installed
    began, asked = utc_now(), []

    async def count(request):
        asked.append(request.url.path)

    now = [began]
    async with httpx.AsyncClient(event_hooks={"request": [count]}) as client:
        app = GitHubApp(client, app_id=APP, key=private.read_text(), clock=lambda: now[0])
        first = await app.token(place(forge))
        now[0] = began + timedelta(minutes=54)
        assert await app.token(place(forge)) == first
        assert len(asked) == 2
        now[0] = began + timedelta(minutes=56)
        with pytest.raises(Refused):  # a new one is asked for; the forge's clock is not so far
            await app.token(place(forge))
        assert len(asked) == 3


def test_a_token_never_has_the_right_to_change_workflows():
    assert set(PERMISSIONS) == {"contents", "pull_requests", "metadata"}


def proof(private, algorithm="RS256", **claims):
    now = int(utc_now().timestamp())
    known = {"iat": now - 60, "exp": now + 500, "iss": APP, **claims}
    return jwt.encode(
        known, private if isinstance(private, str) else private.read_text(), algorithm
    )


def test_the_stand_in_is_as_strict_as_the_forge(installed):
    forge, private = installed
    now = int(utc_now().timestamp())
    url = "/app/installations/1/access_tokens"
    payload = {"repositories": ["one"], "permissions": {"contents": "write"}}
    for wrong in (
        proof(private, exp=now + 900),
        proof(private, exp=now - 1),
        proof(private, iat=now + 400),
        proof(private, iss="another"),
        proof("a-shared-secret-of-thirty-two-bytes", "HS256"),
        "no.jwt.atall",
        forge.token,
    ):
        with forge.client(wrong) as api:
            assert api.post(url, json=payload).status_code == 401
    with forge.client(proof(private)) as api:
        made = api.post(url, json=payload)
        assert made.status_code == 201
        assert made.json()["permissions"] == payload["permissions"]
        assert made.json()["repositories"] == [{"name": "one"}]
        for refused in (
            {"repositories": ["none"]},
            {"repositories": []},
            {"permissions": {"administration": "write"}},
            {"permissions": {"metadata": "write"}},
            {"repositories": "one"},
        ):
            assert api.post(url, json={**payload, **refused}).status_code == 422
        assert api.post("/app/installations/2/access_tokens", json=payload).status_code == 404
        assert api.get(f"/repos/{forge.login}/none/installation").status_code == 404
    with forge.client(made.json()["token"]) as api:
        assert api.get(f"/repos/{forge.login}/one/pulls").status_code == 404  # contents only
