"""The life of a pull request, over the REST API and on its page."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.kit.servers.forge import LocalForge, git_ok

PULLS = "/repos/errand/road/pulls"


def branch(
    forge: LocalForge,
    place: Path,
    name: str = "topic",
    *,
    text: str = "hello\n",
    base: str = "main",
) -> Path:
    """Push one commit on a new branch; return the working tree."""
    tree = place / name.replace("/", "-")
    git_ok("clone", "--quiet", "--branch", base, forge.clone_url("road"), tree)
    (tree / "a.txt").write_text(text)
    git_ok("add", "--all", inside=tree)
    git_ok("commit", "--quiet", "--message", f"Say {text[:20]}", inside=tree)
    git_ok("push", "--quiet", "origin", f"HEAD:refs/heads/{name}", inside=tree)
    return tree


def open_one(client: httpx.Client, **more: object) -> httpx.Response:
    return client.post(PULLS, json={"title": "Say hello", "head": "topic", "base": "main", **more})


@pytest.fixture
def road(forge: LocalForge, tmp_path: Path) -> LocalForge:
    """A forge with repository `road` and branch `topic`, one commit ahead of main."""
    forge.create("road")
    branch(forge, tmp_path)
    return forge


def test_a_pull_request_is_opened_and_found(road: LocalForge) -> None:
    with road.client() as client:
        answer = open_one(client, body="Because.", head="errand:topic", draft=True)
        assert answer.status_code == 201
        pull = answer.json()
        assert pull["number"] == 1
        assert pull["state"] == "open"
        assert pull["draft"] is True
        assert pull["html_url"] == f"{road.url}/errand/road/pull/1"
        assert pull["head"]["label"] == "errand:topic"
        assert pull["head"]["ref"] == "topic"
        assert pull["base"]["ref"] == "main"
        assert pull["base"]["repo"]["full_name"] == "errand/road"
        assert (pull["commits"], pull["additions"], pull["changed_files"]) == (1, 1, 1)
        assert answer.headers["location"] == pull["url"]
        assert client.get(f"{PULLS}/1").json() == pull
        assert [one["number"] for one in client.get(PULLS).json()] == [1]


def test_its_commits_files_and_diff_are_told(road: LocalForge) -> None:
    with road.client() as client:
        open_one(client)
        [commit] = client.get(f"{PULLS}/1/commits").json()
        assert commit["commit"]["message"] == "Say hello"
        [file] = client.get(f"{PULLS}/1/files").json()
        assert file == {
            "filename": "a.txt",
            "status": "added",
            "additions": 1,
            "deletions": 0,
            "changes": 1,
            "patch": "@@ -0,0 +1 @@\n+hello\n",
        }
        diff = client.get(f"{PULLS}/1", headers={"Accept": "application/vnd.github.diff"})
        assert diff.headers["content-type"].startswith("application/vnd.github.diff")
        assert diff.text.startswith("diff --git a/a.txt b/a.txt\n")
        assert diff.text.endswith("+hello\n")


def test_a_second_one_for_the_same_branch_is_refused(road: LocalForge) -> None:
    with road.client() as client:
        open_one(client)
        answer = open_one(client)
    assert answer.status_code == 422
    assert answer.json()["message"] == "Validation Failed"
    assert answer.json()["errors"] == [
        {
            "resource": "PullRequest",
            "code": "custom",
            "message": "A pull request already exists for errand:topic.",
        }
    ]


def test_of_many_opened_at_once_one_is_made(road: LocalForge) -> None:
    with road.client() as client, ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: open_one(client).status_code, range(5)))
        assert sorted(answers) == [201, 422, 422, 422, 422]
        assert len(client.get(PULLS).json()) == 1


def test_a_branch_without_commits_of_its_own_is_refused(road: LocalForge) -> None:
    with road.client() as client:
        sha = client.get("/repos/errand/road/branches/main").json()["commit"]["sha"]
        body = {"ref": "refs/heads/same", "sha": sha}
        client.post("/repos/errand/road/git/refs", json=body)
        answer = open_one(client, head="same")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"] == "No commits between main and same"


def test_branches_without_common_history_are_refused(road: LocalForge, tmp_path: Path) -> None:
    tree = tmp_path / "alien"
    git_ok("init", "--quiet", tree)
    git_ok("commit", "--quiet", "--allow-empty", "--message", "alien", inside=tree)
    git_ok("push", "--quiet", road.clone_url("road"), "HEAD:refs/heads/alien", inside=tree)
    with road.client() as client:
        answer = open_one(client, head="alien")
    assert answer.status_code == 422
    assert "no history in common" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("field", "value"), [("head", "nope"), ("base", "nope"), ("head", "stranger:topic")]
)
def test_a_branch_that_is_not_there_is_named(road: LocalForge, field: str, value: str) -> None:
    with road.client() as client:
        answer = open_one(client, **{field: value})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"resource": "PullRequest", "code": "invalid", "field": field}
    ]


@pytest.mark.parametrize(
    "wrong", [{"title": ""}, {"title": 7}, {"title": "x" * 257}, {"body": "x" * 65537}, {"head": 1}]
)
def test_malformed_proposals_are_refused(road: LocalForge, wrong: dict[str, object]) -> None:
    with road.client() as client:
        assert open_one(client, **wrong).status_code == 422


@pytest.mark.parametrize("missing", ["title", "head", "base"])
def test_a_missing_field_is_named(road: LocalForge, missing: str) -> None:
    body = {"title": "T", "head": "topic", "base": "main"}
    del body[missing]
    with road.client() as client:
        answer = client.post(PULLS, json=body)
    assert answer.status_code == 422
    assert f'"{missing}" wasn\'t supplied' in answer.json()["message"]


def test_only_the_token_opens_one(road: LocalForge) -> None:
    with road.client(None) as client:
        assert open_one(client).status_code == 404
    with road.client("ghp_wrong") as client:
        assert open_one(client).status_code == 401


def test_the_list_is_chosen_by_head_base_and_state(road: LocalForge, tmp_path: Path) -> None:
    branch(road, tmp_path, "errand/task_1", text="other\n")
    with road.client() as client:
        open_one(client)
        open_one(client, head="errand/task_1")
        client.patch(f"{PULLS}/1", json={"state": "closed"})

        def numbers(query: str) -> list[int]:
            return [one["number"] for one in client.get(f"{PULLS}?{query}").json()]

        assert numbers("") == [2]
        assert numbers("state=all") == [2, 1]
        assert numbers("state=closed") == [1]
        assert numbers("head=errand:errand/task_1&state=open&base=main") == [2]
        assert numbers("head=errand:topic") == []
        assert numbers("head=stranger:errand/task_1") == []
        assert numbers("base=nope") == []
        assert numbers("head=errand/task_1") == [2]


def test_it_is_edited_closed_and_opened_again(road: LocalForge) -> None:
    with road.client() as client:
        open_one(client)
        edited = client.patch(f"{PULLS}/1", json={"title": "New", "body": "Words"}).json()
        assert (edited["title"], edited["body"]) == ("New", "Words")
        closed = client.patch(f"{PULLS}/1", json={"state": "closed"}).json()
        assert closed["state"] == "closed"
        assert closed["closed_at"]
        assert open_one(client).status_code == 201
        again = client.patch(f"{PULLS}/1", json={"state": "open"})
        assert again.status_code == 422
        client.patch(f"{PULLS}/2", json={"state": "closed"})
        reopened = client.patch(f"{PULLS}/1", json={"state": "open"}).json()
        assert (reopened["state"], reopened["closed_at"]) == ("open", None)
        assert client.patch(f"{PULLS}/1", json={"base": "nope"}).status_code == 422
        assert client.patch(f"{PULLS}/1", json={"state": "odd"}).status_code == 422
        assert client.patch(f"{PULLS}/9", json={"title": "x"}).status_code == 404


def test_it_follows_its_branch(road: LocalForge, tmp_path: Path) -> None:
    tree = tmp_path / "topic"
    with road.client() as client:
        before = open_one(client).json()
        git_ok("commit", "--quiet", "--allow-empty", "--message", "More", inside=tree)
        git_ok("push", "--quiet", "origin", "HEAD:topic", inside=tree)
        after = client.get(f"{PULLS}/1").json()
    assert after["head"]["sha"] == git_ok("rev-parse", "HEAD", inside=tree)
    assert after["head"]["sha"] != before["head"]["sha"]
    assert after["commits"] == 2


def test_pushing_its_commits_to_the_base_merges_it(road: LocalForge, tmp_path: Path) -> None:
    tree = tmp_path / "topic"
    with road.client() as client:
        open_one(client)
        git_ok("push", "--quiet", "origin", "HEAD:main", inside=tree)
        merged = client.get(f"{PULLS}/1").json()
        assert (merged["state"], merged["merged"]) == ("closed", True)
        assert merged["merged_at"]
        assert merged["commits"] == 1
        assert client.patch(f"{PULLS}/1", json={"state": "open"}).status_code == 422


def test_deleting_its_branch_closes_it_and_keeps_its_diff(road: LocalForge, tmp_path: Path) -> None:
    with road.client() as client:
        open_one(client)
        git_ok("push", "--quiet", "origin", ":topic", inside=tmp_path / "topic")
        closed = client.get(f"{PULLS}/1").json()
        assert (closed["state"], closed["merged"]) == ("closed", False)
        assert [one["filename"] for one in client.get(f"{PULLS}/1/files").json()] == ["a.txt"]


def test_a_diff_too_large_to_show_still_makes_a_pull_request(
    road: LocalForge, tmp_path: Path
) -> None:
    branch(road, tmp_path, "large", text="0123456789\n" * 500_000)
    with road.client() as client:
        pull = open_one(client, head="large").json()
        assert pull["additions"] == 500_000
        accepted = {"Accept": "application/vnd.github.diff"}
        diff = client.get(f"{PULLS}/1", headers=accepted)
        assert diff.status_code == 406
        assert diff.json()["errors"][0]["code"] == "too_large"
    page = httpx.get(pull["html_url"], headers={"Authorization": road.basic})
    assert page.status_code == 200


def test_its_page_shows_everything_and_runs_nothing(road: LocalForge, tmp_path: Path) -> None:
    branch(road, tmp_path, "evil", text="<script>alert(1)</script>\n")
    with road.client() as client:
        pull = open_one(client, head="evil", title="<b>T</b>", body="<img src=x> & more").json()
    answer = httpx.get(pull["html_url"], headers={"Authorization": road.basic})
    assert answer.status_code == 200
    assert "&lt;b&gt;T&lt;/b&gt;" in answer.text
    assert "&lt;img src=x&gt; &amp; more" in answer.text
    assert "+&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "width=device-width" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    listed = httpx.get(f"{road.url}/errand/road", headers={"Authorization": road.basic}).text
    assert 'href="' + pull["html_url"] + '"' in listed
    diff = httpx.get(pull["diff_url"], headers={"Authorization": road.basic})
    assert diff.text.startswith("diff --git")
    assert diff.headers["content-type"].startswith("text/plain")
