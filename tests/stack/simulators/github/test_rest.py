"""The REST API outside pull requests, and the pages."""

import httpx
import pytest

from tests.kit.servers.forge import LocalForge


def test_the_token_says_who_one_is(forge: LocalForge) -> None:
    with forge.client() as client:
        answer = client.get("/user")
    assert (answer.status_code, answer.json()["login"]) == (200, "errand")
    assert answer.headers["x-github-request-id"]
    assert answer.headers["x-ratelimit-remaining"]


def test_a_wrong_token_is_bad_credentials(forge: LocalForge) -> None:
    with forge.client("ghp_wrong") as client:
        answer = client.get("/user")
    assert answer.status_code == 401
    assert answer.json()["message"] == "Bad credentials"
    assert answer.json()["status"] == "401"


def test_no_token_requires_authentication(forge: LocalForge) -> None:
    with forge.client(None) as client:
        answer = client.get("/user")
        assert client.post("/user/repos", json={"name": "x"}).status_code == 401
    assert answer.json()["message"] == "Requires authentication"


def test_basic_authentication_is_accepted(forge: LocalForge) -> None:
    answer = httpx.get(f"{forge.api_url}/user", headers={"Authorization": forge.basic})
    assert answer.status_code == 200


def test_a_request_without_a_user_agent_is_forbidden(forge: LocalForge) -> None:
    with forge.client() as client:
        request = client.build_request("GET", "/user")
        del request.headers["User-Agent"]
        answer = client.send(request)
    assert answer.status_code == 403
    assert "User-Agent" in answer.json()["message"]


def test_an_unknown_api_version_is_refused(forge: LocalForge) -> None:
    with forge.client() as client:
        known = client.get("/user", headers={"X-GitHub-Api-Version": "2022-11-28"})
        unknown = client.get("/user", headers={"X-GitHub-Api-Version": "1999-01-01"})
    assert (known.status_code, unknown.status_code) == (200, 400)


def test_a_repository_is_made_found_and_deleted(forge: LocalForge) -> None:
    with forge.client() as client:
        made = client.post("/user/repos", json={"name": "Road", "private": True})
        assert made.status_code == 201
        found = client.get("/repos/errand/road").json()
        assert found == made.json()
        assert found["default_branch"] == "main"
        assert found["private"] is True
        assert found["clone_url"] == f"{forge.url}/errand/Road.git"
        assert found["html_url"] == f"{forge.url}/errand/Road"
        assert found["permissions"] == {"admin": True, "push": True, "pull": True}
        assert client.delete("/repos/errand/Road").status_code == 204
        assert client.get("/repos/errand/Road").status_code == 404


def test_a_name_is_given_once(forge: LocalForge) -> None:
    forge.create("road")
    with forge.client() as client:
        answer = client.post("/user/repos", json={"name": "ROAD"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"] == "name already exists on this account"


@pytest.mark.parametrize(
    "name", ["..", ".", "a/b", "../x", "a b", "x.git", "a\n", "-\0", "ü", "x" * 101, "", "$(id)"]
)
def test_hostile_names_are_refused(forge: LocalForge, name: str) -> None:
    with forge.client() as client:
        assert client.post("/user/repos", json={"name": name}).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/errand/..%2f..%2fetc.git/info/refs?service=git-upload-pack",
        "/..%2f..%2fetc/x.git/info/refs?service=git-upload-pack",
        "/errand/%2e%2e/info/refs?service=git-upload-pack",
        "/-x/y.git/info/refs?service=git-upload-pack",
        "/api/v3/repos/errand/%2e%2e",
        "/api/v3/repos/..%2f../x",
        "/errand/..%2froad",
        "/errand/.git",
    ],
)
def test_hostile_paths_find_nothing(forge: LocalForge, path: str) -> None:
    answer = httpx.get(forge.url + path, headers={"Authorization": forge.basic})
    assert answer.status_code == 404


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(forge: LocalForge, body: bytes) -> None:
    with forge.client() as client:
        assert client.post("/user/repos", content=body).status_code == 400


def test_a_body_of_megabytes_is_refused(forge: LocalForge) -> None:
    with forge.client() as client:
        answer = client.post("/user/repos", json={"name": "x" * (2 << 20)})
    assert answer.status_code == 413


def test_nobody_sees_a_private_repository(forge: LocalForge) -> None:
    forge.create("hidden")
    forge.create("shown", private=False)
    with forge.client(None) as client:
        assert client.get("/repos/errand/hidden").status_code == 404
        assert client.get("/repos/errand/shown").status_code == 200
        assert client.delete("/repos/errand/shown").status_code == 401


def test_branches_and_references_are_read_and_made(forge: LocalForge) -> None:
    forge.create("road")
    with forge.client() as client:
        branch = client.get("/repos/errand/road/branches/main").json()
        sha = branch["commit"]["sha"]
        assert branch["commit"]["commit"]["message"] == "Initial commit"
        wanted = {"ref": "refs/heads/errand/task_1", "sha": sha}
        made = client.post("/repos/errand/road/git/refs", json=wanted)
        assert made.status_code == 201
        assert made.json()["object"] == {
            "type": "commit",
            "sha": sha,
            "url": f"{forge.api_url}/repos/errand/road/git/commits/{sha}",
        }
        again = client.post("/repos/errand/road/git/refs", json=wanted)
        assert (again.status_code, again.json()["message"]) == (422, "Reference already exists")
        found = client.get("/repos/errand/road/git/ref/heads/errand/task_1")
        assert found.json() == made.json()
        assert client.get("/repos/errand/road/branches/errand/task_1").status_code == 200
        names = {one["ref"] for one in client.get("/repos/errand/road/git/refs").json()}
        assert names == {"refs/heads/main", "refs/heads/errand/task_1"}
        assert client.delete("/repos/errand/road/git/refs/heads/errand/task_1").status_code == 204
        gone = client.get("/repos/errand/road/branches/errand/task_1")
        assert (gone.status_code, gone.json()["message"]) == (404, "Branch not found")


@pytest.mark.parametrize(
    ("reference", "sha"),
    [
        ("refs/heads/x", "0" * 39 + "1"),
        ("refs/heads/x", "main"),
        ("refs/heads/..", None),
        ("refs/heads/a b", None),
        ("refs/heads/-x", None),
        ("refs/pull/1/head", None),
        ("refs/heads/", None),
        ("heads/x", None),
        ("refs/heads/main/under", None),
        (7, None),
    ],
)
def test_a_reference_that_cannot_be_is_refused(
    forge: LocalForge, reference: object, sha: str | None
) -> None:
    forge.create("road")
    with forge.client() as client:
        there = client.get("/repos/errand/road/git/ref/heads/main").json()["object"]["sha"]
        body = {"ref": reference, "sha": sha or there}
        assert client.post("/repos/errand/road/git/refs", json=body).status_code == 422


def test_an_empty_repository_has_no_references(forge: LocalForge) -> None:
    forge.create("road", auto_init=False)
    with forge.client() as client:
        assert client.get("/repos/errand/road/git/refs").status_code == 409
        assert client.get("/repos/errand/road/git/ref/heads/main").status_code == 404
        assert client.get("/repos/errand/road/branches").json() == []
    page = httpx.get(f"{forge.url}/errand/road", headers={"Authorization": forge.basic})
    assert page.status_code == 200


def test_lists_come_in_pages(forge: LocalForge) -> None:
    forge.create("road")
    with forge.client() as client:
        sha = client.get("/repos/errand/road/branches/main").json()["commit"]["sha"]
        for name in ("a", "b"):
            body = {"ref": f"refs/heads/{name}", "sha": sha}
            client.post("/repos/errand/road/git/refs", json=body)
        first = client.get("/repos/errand/road/branches?per_page=2")
        assert [one["name"] for one in first.json()] == ["a", "b"]
        second = client.get(first.links["next"]["url"])
        assert [one["name"] for one in second.json()] == ["main"]
        assert "next" not in second.links


def test_an_unknown_address_is_not_found(forge: LocalForge) -> None:
    with forge.client() as client:
        assert client.get("/nothing").json()["message"] == "Not Found"
        assert client.put("/user").status_code == 404
    assert httpx.get(f"{forge.url}/nothing/here/at/all").status_code == 404


def test_it_says_that_it_is_well_and_how_much_may_be_asked(forge: LocalForge) -> None:
    assert httpx.get(f"{forge.url}/health").status_code == 200
    with forge.client() as client:
        assert client.get("/rate_limit").json()["rate"]["limit"] == 5000


def test_a_private_page_asks_for_the_token(forge: LocalForge) -> None:
    forge.create("hidden")
    answer = httpx.get(f"{forge.url}/errand/hidden")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
