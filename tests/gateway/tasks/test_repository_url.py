import pytest

from services.gateway.problems import Refused
from services.gateway.tasks.repository_url import Forge, locate

HUB = Forge(kind="github", url="https://github.com", api_url="https://api.github.com")
LAB = Forge(kind="gitlab", url="https://git.example.org/forge/", api_url="https://git.example.org")
LOCAL = Forge(kind="git", url="http://127.0.0.1:3000")
FORGES = (HUB, LAB, LOCAL)


@pytest.mark.parametrize(
    ("written", "url", "git_url"),
    [
        (
            "https://github.com/ada/app",
            "https://github.com/ada/app",
            "https://github.com/ada/app.git",
        ),
        (
            "https://github.com/ada/app.git",
            "https://github.com/ada/app",
            "https://github.com/ada/app.git",
        ),
        (
            "https://github.com:443/ada/app/",
            "https://github.com/ada/app",
            "https://github.com/ada/app.git",
        ),
        (
            "https://GitHub.com/ada/my.app",
            "https://github.com/ada/my.app",
            "https://github.com/ada/my.app.git",
        ),
        (
            "https://git.example.org/forge/a/b/c",
            "https://git.example.org/forge/a/b/c",
            "https://git.example.org/forge/a/b/c.git",
        ),
        (
            "http://127.0.0.1:3000/app.git",
            "http://127.0.0.1:3000/app.git",
            "http://127.0.0.1:3000/app.git",
        ),
    ],
)
def test_a_repository_is_found_and_its_address_rebuilt(written, url, git_url):
    place = locate(written, FORGES)
    assert (place.url, place.git_url) == (url, git_url)


@pytest.mark.parametrize(
    "written",
    [
        "ext::sh -c touch% /tmp/x",
        "file:///etc/passwd",
        "/etc/passwd",
        "--upload-pack=touch /tmp/x",
        "git@github.com:ada/app",
        "ssh://git@github.com/ada/app",
        "git://github.com/ada/app",
        "http://github.com/ada/app",
        "https://ada:secret@github.com/ada/app",
        "https://github.com@evil.test/ada/app",
        "https://github.com.evil.test/ada/app",
        "https://evil.test/github.com/ada/app",
        "https://github.com./ada/app",
        "https://github.com:8443/ada/app",
        "https://github.com:99999/ada/app",
        "https://127.0.0.1/ada/app",
        "http://127.1:3000/ada/app",
        "http://2130706433:3000/ada/app",
        "http://0x7f000001:3000/ada/app",
        "http://[::1]:3000/ada/app",
        "http://[::ffff:127.0.0.1]:3000/ada/app",
        "http://127.0.0.1:3001/ada/app",
        "http://169.254.169.254/ada/app",
        "https://github.com/ada/app?x=y",
        "https://github.com/ada/app#x",
        "https://github.com/ada/%2e%2e",
        "https://github.com/ada/../app",
        "https://github.com/ada/..",
        "https://github.com/../app",
        "https://github.com/ada/.git",
        "https://github.com/ada/-app",
        "https://github.com/--x/app",
        "https://github.com//app",
        "https://github.com/ada",
        "https://github.com/",
        "https://github.com",
        "https://github.com/ada/app/tree/main",
        "https://git.example.org/ada/app",
        "https://git.example.org/forgery/ada/app",
        "https://github.com/ada/app\n",
        "https://github.com/ada/app\0",
        "https://github.com\\@evil.test/ada/app",
        "https://github.com/ada/\uff41pp",
        "https://github.com/ada/" + "a" * 600,
    ],
)
def test_tricks_are_refused_with_the_remedy(written):
    with pytest.raises(Refused) as refusal:
        locate(written, FORGES)
    problem = refusal.value.problem
    assert (problem.status, problem.code) == (422, "repository_refused")
    assert "https://github.com/<owner>/<name>" in problem.detail
    assert problem.errors[0].pointer == "/repository/url"


def test_no_address_is_told_apart():
    with pytest.raises(Refused) as refusal:
        locate("  ", FORGES)
    assert refusal.value.problem.code == "repository_missing"


@pytest.mark.parametrize(
    "written",
    [
        "git@github.com:ada/app.git",
        "ssh://git@github.com/ada/app",
        "ssh://git@github.com:22/ada/app.git",
        "github.com/ada/app",
    ],
)
def test_an_address_by_ssh_or_without_a_scheme_is_said_as_it_should_be(written):
    with pytest.raises(Refused) as refusal:
        locate(written, FORGES)
    assert "write it as https://github.com/ada/app." in refusal.value.problem.detail


def test_a_forge_that_is_not_used_is_said_with_what_allows_it():
    with pytest.raises(Refused) as refusal:
        locate("https://github.com/ada/app", (LOCAL,))
    detail = refusal.value.problem.detail
    assert "https://github.com is not a forge that this installation uses." in detail
    assert "set GITHUB_TOKEN or GITLAB_TOKEN before `make run`" in detail
    assert "FORGES" in detail
