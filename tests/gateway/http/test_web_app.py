"""The gateway serves the built web app: every address a person may open, and nothing beside it."""

import asyncio
import gzip
import os
from types import SimpleNamespace

import pytest

from services.gateway.http.apps.gateway import make_app
from services.gateway.http.browser.web_app import is_route, web_app_folder
from tests.kit.paths import ROOT
from tests.kit.run.gateway import a_world

INDEX = "<!doctype html><title>Errand</title>"
SCRIPT = "console.log('errand')\n" * 200
PAGES = [
    "/", "/t/task_abc", "/new", "/pair", "/sign-in/mail", "/sign-in/github", "/settings/devices",
    "/shared/abc", "/t/task_abc/changes",
]  # fmt: skip
AS_A_PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def build(folder):
    """Write what `make web` writes, small."""
    for name, text in {
        "index.html": INDEX,
        "sw.js": "addEventListener('push', () => {})",
        "manifest.webmanifest": '{"name":"Errand"}',
        "icons/icon.svg": "<svg/>",
        "assets/app-1a2b3c.js": SCRIPT,
        "assets/app-1a2b3c.js.map": "{}",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "assets/app-1a2b3c.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (folder / "assets/app-1a2b3c.js.br").write_bytes(b"as brotli")
    return folder


@pytest.fixture
def folder(tmp_path):
    return build(tmp_path / "dist")


@pytest.fixture
async def web(servers, fresh_database, folder):
    """A client of a gateway that has the built app."""
    async with a_world(servers, fresh_database, web_app_folder=str(folder)) as world:
        yield await world.client()


async def raw(web, path, **headers):
    async with web.stream("GET", path, headers={"Accept-Encoding": "", **headers}) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


async def test_every_address_a_person_opens_is_the_app(web):
    for path in PAGES:
        page = await web.get(path, headers=AS_A_PAGE)
        assert (page.status_code, page.text) == (200, INDEX), path
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"
    assert (await web.get("/")).text == INDEX  # whatever it accepts: a worker fetches it so


async def test_what_programs_ask_for_is_not_the_app(web):
    for path in ["/v1/nothing", "/health/nothing", "/broker/claim"]:
        answer = await web.get(path, headers=AS_A_PAGE)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await web.get("/v1/about", headers=AS_A_PAGE)).json()["sign_in_methods"] == ["code"]
    assert (await web.get("/health/live", headers=AS_A_PAGE)).status_code == 200
    assert "Errand" in (await web.get("/docs", headers=AS_A_PAGE)).text
    assert (await web.get("/nothing")).status_code == 404  # no browser asks like that
    back = await web.get("/sign-in/github/callback", headers=AS_A_PAGE)
    assert "That did not work" in back.text


def test_no_route_of_the_api_is_hidden_behind_the_app():
    app = make_app(SimpleNamespace(public_url="http://x", allowed_origins=()))
    hidden = [route.path for route in app.routes if not is_route(route.path)]
    assert hidden == []


async def test_hashed_files_are_kept_for_ever_and_the_rest_is_checked_each_time(web):
    script = await web.get("/assets/app-1a2b3c.js")
    assert script.text == SCRIPT or script.headers["content-encoding"] == "gzip"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")
    for path, media_type in [
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/icons/icon.svg", "image/svg+xml"),
        ("/index.html", "text/html; charset=utf-8"),
    ]:
        answer = await web.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-type"] == media_type


async def test_files_are_sent_as_the_build_compressed_them(web):
    path = "/assets/app-1a2b3c.js"
    for asked, coding, content in [
        ("", None, SCRIPT.encode()),
        ("gzip", "gzip", gzip.compress(SCRIPT.encode())),
        ("gzip, br", "br", b"as brotli"),
        ("br;q=0, gzip;q=0.5", "gzip", None),
        ("zstd", None, SCRIPT.encode()),
    ]:
        answer, sent = await raw(web, path, **{"Accept-Encoding": asked})
        assert answer.headers.get("content-encoding") == coding, asked
        assert answer.headers["vary"] == "Accept-Encoding"
        assert int(answer.headers["content-length"]) == len(sent)
        if coding == "gzip":
            assert gzip.decompress(sent) == SCRIPT.encode()
        elif content is not None:
            assert sent == content
    plain, sent = await raw(web, "/sw.js", **{"Accept-Encoding": "gzip, br"})
    assert "content-encoding" not in plain.headers
    assert sent.startswith(b"addEventListener")


async def test_a_file_that_did_not_change_is_not_sent_again(web):
    first = await web.get("/", headers=AS_A_PAGE)
    again = await web.get("/", headers={**AS_A_PAGE, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    other = await web.get("/sw.js", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


async def test_head_tells_the_same_and_sends_nothing(web):
    for path in ["/", "/sw.js", "/assets/app-1a2b3c.js", "/t/task_abc"]:
        whole = await web.get(path, headers=AS_A_PAGE)
        head = await web.head(path, headers=AS_A_PAGE)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "etag", "content-type", "cache-control"):
            assert head.headers[name] == whole.headers[name]


async def test_files_that_are_not_there_and_files_beside_the_folder_are_404(web, folder):
    (folder.parent / "secret.js").write_text("a secret")
    (folder / "assets" / "link.js").symlink_to(folder.parent / "secret.js")
    os.utime(folder)  # a build is written: what it holds is read again
    for path in [
        "/assets/nothing.js", "/assets/", "/icons/nothing.svg", "/nothing.js", "/assets/link.js",
        "/assets/app-1a2b3c.js.gz", "/assets/app-1a2b3c.js.map", "/../secret.js",
        "/assets/../../secret.js", "/assets/%2e%2e/%2e%2e/secret.js", "/%2e%2e%2fsecret.js",
        "/assets/..%5c..%5csecret.js", "//secret.js",
    ]:  # fmt: skip
        answer = await asked_literally(web, path)
        assert " 404 " in answer.partition("\r\n")[0], path
        assert "a secret" not in answer


async def asked_literally(web, path):
    """Send a path as it stands: a client would put it in order."""
    reader, writer = await asyncio.open_connection(web.base_url.host, web.base_url.port)
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    return answer.decode(errors="replace")


async def test_the_pages_policy_lets_in_nothing_from_elsewhere_and_no_script_in_text(web):
    for path in ["/", "/sw.js", "/assets/app-1a2b3c.js"]:
        headers = (await web.get(path)).headers
        policy = dict(
            directive.partition(" ")[::2]
            for directive in headers["content-security-policy"].split("; ")
        )
        socket = str(web.base_url).replace("http", "ws").rstrip("/")
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' blob:",
            "connect-src": f"'self' {socket}",
            "manifest-src": "'self'",
            "worker-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "errand",
        }
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "microphone=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers  # this one is plain http


async def test_a_server_that_people_reach_by_https_says_so_for_a_year(
    servers, fresh_database, folder
):
    changes = {"public_url": "https://errand.example.com", "web_app_folder": str(folder)}
    async with a_world(servers, fresh_database, **changes) as world:
        headers = (await (await world.client()).get("/")).headers
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert "connect-src 'self' wss://errand.example.com;" in headers["content-security-policy"]


async def test_without_a_build_a_page_says_how_to_make_one_and_then_it_is_found(
    servers, fresh_database, tmp_path
):
    folder = tmp_path / "dist"
    async with a_world(servers, fresh_database, web_app_folder=str(folder)) as world:
        web = await world.client()
        for path in ("/", "/t/task_abc", "/pair", "/sign-in/mail"):
            told = await web.get(path, headers=AS_A_PAGE)
            assert told.status_code == 503
            assert "make web" in told.text
            assert told.headers["cache-control"] == "no-store"
        build(folder)
        assert (await web.get("/", headers=AS_A_PAGE)).text == INDEX
        (folder / "index.html").write_text("a newer build")
        assert (await web.get("/t/task_abc", headers=AS_A_PAGE)).text == "a newer build"


def test_the_build_is_looked_for_where_the_project_writes_it():
    assert web_app_folder("") == ROOT / "clients" / "web" / "dist"
    assert str(web_app_folder("/srv/app")) == "/srv/app"


async def test_a_command_is_never_taken_for_a_page(web):
    answer = await web.post("/", headers=AS_A_PAGE)
    assert answer.status_code in (404, 405)
