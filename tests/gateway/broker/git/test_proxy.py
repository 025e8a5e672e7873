"""Real git, through the broker, to the local forge."""

import asyncio
from base64 import b64encode

import pytest

from services.worker.effects.broker_client import BrokerClient
from services.worker.ports import NothingToMerge
from tests.gateway.kit.git_tasks import forge_settings, task_on_repository
from tests.kit.run.gateway import a_world
from tests.kit.servers.forge import git, git_ok


@pytest.fixture
async def errand(servers, fresh_database, forge):
    async with a_world(servers, fresh_database, forges=forge_settings(forge)) as world:
        yield await task_on_repository(world, forge.create("app"))


async def test_git_clones_and_pushes_the_tasks_branch(errand, forge, tmp_path):
    clone = await errand.clone(tmp_path / "a")
    errand.commit(clone)
    pushed = await errand.push(clone, f"HEAD:refs/heads/{errand.branch}")
    assert pushed.code == 0, pushed.errors
    refs = git_ok("ls-remote", forge.clone_url("app"))
    assert git_ok("rev-parse", "HEAD", inside=clone) in refs
    assert errand.branch in refs
    assert errand.token not in (clone / ".git" / "config").read_text()


async def test_a_shallow_clone_and_a_large_push_go_through(errand, tmp_path):
    clone = await errand.clone(tmp_path / "a", "--depth", "1")
    noise = b"".join(n.to_bytes(8, "big") * 3 + bytes([n % 251]) for n in range(200_000))
    (clone / "noise.bin").write_bytes(noise)
    errand.commit(clone)
    pushed = await errand.push(clone, f"HEAD:refs/heads/{errand.branch}")
    assert pushed.code == 0, pushed.errors
    again = await errand.clone(tmp_path / "b", "--branch", errand.branch)
    assert (again / "noise.bin").read_bytes() == noise


@pytest.mark.parametrize(
    "ref",
    [
        "HEAD:refs/heads/main",
        "HEAD:refs/heads/errand/other",
        "HEAD:refs/tags/v1",
        ":refs/heads/main",
    ],
)
async def test_any_other_push_is_refused_and_changes_nothing(errand, forge, tmp_path, ref):
    clone = await errand.clone(tmp_path / "a")
    before = git_ok("ls-remote", forge.clone_url("app"))
    errand.commit(clone)
    assert (await errand.push(clone, ref)).code != 0
    both = await errand.push(clone, f"HEAD:refs/heads/{errand.branch}", ref)
    assert both.code != 0
    assert git_ok("ls-remote", forge.clone_url("app")) == before


async def test_git_is_asked_for_a_password_and_told_when_it_is_wrong(errand, tmp_path):
    for token in (None, "wrong"):
        refused = await asyncio.to_thread(git, "clone", errand.url, tmp_path / "x", token=token)
        assert refused.code == 128
    nobody = await errand.world.broker_client()
    answer = await nobody.get(f"{errand.url}/info/refs?service=git-upload-pack")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="errand"')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "info/refs?service=git-upload-archive", 404),
        ("GET", "info/refs", 404),
        ("GET", "HEAD", 404),
        ("GET", "objects/info/packs", 404),
        ("POST", "info/refs?service=git-upload-pack", 405),
        ("GET", "git-upload-pack", 405),
        ("GET", "../other.git/info/refs?service=git-upload-pack", 404),
    ],
)
async def test_no_other_address_of_the_forge_is_reached(errand, method, path, status):
    worker = await errand.world.broker_client(errand.token)
    answer = await worker.request(method, f"{errand.url}/{path}")
    assert answer.status_code == status


async def test_a_repository_that_is_not_there_is_told_in_words(servers, fresh_database, forge):
    async with a_world(servers, fresh_database, forges=forge_settings(forge)) as world:
        errand = await task_on_repository(world, f"{forge.url}/{forge.login}/nothing")
        refused = await errand.git("ls-remote", errand.url)
        assert refused.code == 128
        assert "repository_not_found" in refused.errors
        worker = await world.broker_client(errand.token)
        answer = await worker.get("/broker/forge/repository")
        assert (answer.status_code, answer.json()["code"]) == (404, "repository_not_found")


async def test_a_refused_server_token_is_told_in_words(servers, fresh_database, forge):
    async with a_world(
        servers, fresh_database, forges=forge_settings(forge, token="wrong")
    ) as world:
        errand = await task_on_repository(world, forge.create("app"))
        refused = await errand.git("ls-remote", errand.url)
        assert "repository_refused" in refused.errors
        worker = await world.broker_client(errand.token)
        answer = await worker.get("/broker/forge/repository")
        assert (answer.status_code, answer.json()["code"]) == (403, "repository_refused")


async def test_a_forge_that_is_away_is_told_in_words(servers, fresh_database, forge):
    away = "http://127.0.0.1:9"
    named = forge_settings(forge, url=away, api_url=away)
    async with a_world(servers, fresh_database, forges=named) as world:
        errand = await task_on_repository(world, f"{away}/ada/app")
        refused = await errand.git("ls-remote", errand.url)
        assert "forge_unreachable" in refused.errors
        worker = await world.broker_client(errand.token)
        answer = await worker.get("/broker/forge/repository")
        assert (answer.status_code, answer.json()["retryable"]) == (503, True)


async def test_one_pull_request_is_opened_and_then_kept_up_to_date(errand, forge, tmp_path):
    clone = await errand.clone(tmp_path / "a")
    errand.commit(clone)
    assert (await errand.push(clone, f"HEAD:refs/heads/{errand.branch}")).code == 0
    made = (await errand.propose()).json()
    assert made["created"]
    again = (await errand.propose(title="Better", body="more")).json()
    assert again == {**made, "created": False}
    with forge.client() as client:
        [shown] = client.get(f"/repos/{forge.login}/app/pulls").json()
    assert (shown["title"], shown["body"]) == ("Better", "more")
    assert made["url"] == shown["html_url"]


async def test_work_that_the_base_holds_already_is_not_a_refusal_of_the_forge(
    errand, forge, tmp_path
):
    clone = await errand.clone(tmp_path / "a")
    errand.commit(clone)
    assert (await errand.push(clone, f"HEAD:refs/heads/{errand.branch}")).code == 0
    merged = await asyncio.to_thread(git, "push", forge.clone_url("app"), "HEAD:main", inside=clone)
    assert merged.code == 0, merged.errors
    worker = await errand.world.broker_client(errand.token)

    answer = await errand.propose()
    assert (answer.status_code, answer.json()["code"]) == (422, "pull_request_empty")
    with pytest.raises(NothingToMerge, match="No commits between main and"):
        await BrokerClient(worker, errand.token).pull_request(
            title="T", body="B", branch=errand.branch, base="main"
        )


async def test_a_pull_request_the_forge_refuses_is_told_in_its_words(errand):
    answer = await errand.propose()
    assert (answer.status_code, answer.json()["code"]) == (422, "forge_refused")
    answer = await errand.propose(branch="main")
    assert (answer.status_code, answer.json()["code"]) == (422, "branch_refused")


async def test_the_default_branch_is_told(errand):
    worker = await errand.world.broker_client(errand.token)
    answer = await worker.get("/broker/forge/repository")
    assert answer.json() == {"default_branch": "main", "kind": "github"}


async def test_a_forge_without_pull_requests_answers_with_nothing(servers, fresh_database, forge):
    async with a_world(servers, fresh_database, forges=forge_settings(forge, kind="git")) as world:
        errand = await task_on_repository(world, forge.create("app"))
        assert "refs/heads/main" in (await errand.git("ls-remote", errand.url)).output
        assert (await errand.propose()).status_code == 204


async def test_the_forges_token_never_reaches_the_worker(errand, forge):
    worker = await errand.world.broker_client()
    pair = b64encode(f"x:{errand.token}".encode()).decode()
    answer = await worker.get(
        f"{errand.url}/info/refs?service=git-receive-pack",
        headers={"Authorization": f"Basic {pair}"},
    )
    assert answer.status_code == 200
    assert forge.token not in answer.text + str(answer.headers)
