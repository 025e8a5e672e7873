"""Going to GitHub to sign in, and back, as a browser does: the forge stands in for GitHub."""

from urllib.parse import parse_qs, urlsplit

from tests.kit.servers.forge import OAUTH_CLIENT, OAUTH_SECRET


def app_at(forge, **more):
    return {
        "github_url": forge.url,
        "github_api_url": forge.api_url,
        "github_client_id": OAUTH_CLIENT,
        "github_client_secret": OAUTH_SECRET,
        **more,
    }


async def departed(browser):
    """Begin; return where the browser is sent."""
    answer = await browser.post("/v1/oauth/github")
    assert answer.status_code == 201, answer.text
    cookie = answer.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=lax", "path=/"):
        assert word in cookie
    return answer.json()["url"]


async def consented(browser, url, *, login="errand", authorize="1"):
    """Allow or deny the sign-in at GitHub; return the address at which the browser comes back."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    form = {**asked, "login": login, "authorize": authorize}
    forge = url.partition("?")[0]
    answer = await browser.post(forge, data=form, headers={"Authorization": ""})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def came_back(world, *, person=None, login="errand"):
    """Go all the way; return the last answer and the browser."""
    browser = person.http if person else await world.client()
    back = await consented(browser, await departed(browser), login=login)
    return await browser.get(back)


def is_trouble(answer, status, words):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert words in answer.text
