"""Signing in by a mailed link, over a real SMTP server."""

import re

import pytest

from tests.gateway.kit.members import invited
from tests.gateway.kit.problems import is_problem
from tests.kit.fakes.mail_server import mail_server
from tests.kit.probe.accounts_rows import dump, execute, fetch
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import a_world

SENDER = "Errand <errand@errand.test>"


def mailing(server, **more):
    return {
        "smtp_host": server.host,
        "smtp_port": server.port,
        "smtp_security": "none",
        "smtp_from": SENDER,
        **more,
    }


@pytest.fixture
async def post():
    async with mail_server() as server:
        yield server


@pytest.fixture
async def world(servers, fresh_database, post):
    async with a_world(servers, fresh_database, **mailing(post)) as made:
        yield made


async def asked(world, email):
    nobody = await world.client()
    answer = await nobody.post("/v1/magic-links", json={"email": email})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def mails(post, count):
    return await eventually(lambda: post.mails, until=lambda seen: len(seen) >= count, seconds=30)


def links(world, mail):
    found = re.findall(r"(\S+)/sign-in/mail#(errand_link_[\w-]+)", mail.get_content())
    assert {url for url, _ in found} == {world.url}
    return [code for _, code in found]


async def sign_in(world, code):
    nobody = await world.client()
    return await nobody.post("/v1/sessions", json={"code": code})


async def test_a_member_is_mailed_a_link_that_signs_in_once(world, ada, post, fresh_database):
    offer = await invited(ada, email="bea@example.org")
    await asked(world, " Bea@Example.ORG ")
    [mail] = await mails(post, 1)
    assert (mail["to"], mail["from"]) == ("bea@example.org", SENDER)
    assert mail.get_content_type() == "text/plain"
    [code] = links(world, mail)
    assert code not in await dump(fresh_database)
    session = (await sign_in(world, code)).json()
    assert session["person"] == offer["person"]
    is_problem(await sign_in(world, code), 403, "code_refused")


def typed_codes(mail):
    return re.findall(r"^Code: (\S+)", mail.get_content(), re.MULTILINE)


async def test_the_mail_has_a_code_to_type_that_is_used_up_with_the_link(
    world, ada, post, fresh_database
):
    offer = await invited(ada, email="bea@example.org")
    for _ in range(2):
        await asked(world, "bea@example.org")
    mailed = await mails(post, 2)
    [[first], [second]] = [typed_codes(mail) for mail in mailed]
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}", first)
    assert first not in await dump(fresh_database)
    session = (await sign_in(world, first.lower().replace("-", " "))).json()
    assert session["person"] == offer["person"]
    is_problem(await sign_in(world, first), 403, "code_refused")
    is_problem(await sign_in(world, links(world, mailed[0])[0]), 403, "code_refused")
    assert (await sign_in(world, links(world, mailed[1])[0])).status_code == 201
    is_problem(await sign_in(world, second), 403, "code_refused")


async def test_opening_the_link_signs_nobody_in(world, ada, post):
    await invited(ada, email="bea@example.org")
    await asked(world, "bea@example.org")
    [code] = links(world, (await mails(post, 1))[0])
    scanner = await world.client()
    for method in ("GET", "HEAD", "GET"):  # as mail scanners do; the fragment stays with them
        page = await scanner.request(method, "/sign-in/mail", headers={"Accept": "text/html"})
        assert page.status_code in (200, 503)  # 503 where the web app is not built
        assert "set-cookie" not in page.headers
    assert (await sign_in(world, code)).status_code == 201


async def test_who_asks_is_told_the_same_whether_or_not_the_address_is_known(world, ada, post):
    await invited(ada, email="bea@example.org")
    known = await asked(world, "bea@example.org")
    unknown = await asked(world, "nobody@example.org")
    assert known == unknown
    await asked(world, "bea@example.org")  # comes after the unknown one in the queue
    await mails(post, 2)
    assert [to for (to,) in post.recipients] == ["bea@example.org"] * 2


async def test_a_link_dies_after_ten_minutes(world, ada, post, fresh_database):
    await invited(ada, email="bea@example.org")
    await asked(world, "bea@example.org")
    [code] = links(world, (await mails(post, 1))[0])
    rows = await fetch(
        fresh_database,
        "SELECT expires_at - created_at AS good FROM accounts.pairing WHERE email IS NOT NULL",
    )
    assert [row["good"].total_seconds() for row in rows] == [600]
    await execute(fresh_database, "UPDATE accounts.pairing SET expires_at = now() - interval '1 s'")
    is_problem(await sign_in(world, code), 403, "code_refused")


async def test_a_member_of_two_accounts_is_mailed_a_link_for_each(world, ada, bob, post):
    people = {(await invited(owner, email="bea@example.org"))["person"] for owner in (ada, bob)}
    await asked(world, "bea@example.org")
    [mail] = await mails(post, 1)
    assert "member of ada" in mail.get_content()
    sessions = [(await sign_in(world, code)).json() for code in links(world, mail)]
    assert {session["person"] for session in sessions} == people


async def test_a_mailbox_is_not_flooded(world, ada, post):
    await invited(ada, email="bea@example.org")
    nobody = await world.client()
    answers = [
        await nobody.post("/v1/magic-links", json={"email": "bea@example.org"}) for _ in range(30)
    ]  # so many that a minute's turn among them changes nothing
    is_problem(answers[-1], 429, "too_many_requests")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    # Asking for mails leaves the codes of others alone.
    assert (await sign_in(world, await world.pairing("cyd"))).status_code == 201


async def test_an_hour_has_ten_links_for_an_address(world, ada, post, fresh_database):
    await invited(ada, email="bea@example.org")
    await invited(ada, "cyd", email="cyd@example.org")
    await asked(world, "bea@example.org")
    await mails(post, 1)
    await execute(
        fresh_database,
        "INSERT INTO accounts.pairing SELECT n::text::bytea, account, person, created_at, "
        "expires_at, NULL, email FROM accounts.pairing, generate_series(1, 9) AS n "
        "WHERE email IS NOT NULL",
    )
    await asked(world, "bea@example.org")
    await asked(world, "cyd@example.org")
    await mails(post, 2)
    assert [to for (to,) in post.recipients] == ["bea@example.org", "cyd@example.org"]


async def test_a_mail_server_that_refuses_stops_nothing(world, ada, post):
    await invited(ada, email="bea@example.org")
    post.refusal = "451 not now"
    await asked(world, "bea@example.org")
    await asked(world, "bea@example.org")
    post.refusal = ""
    await asked(world, "bea@example.org")
    await mails(post, 1)


async def test_an_open_installation_makes_an_account_when_the_link_is_used(
    servers, fresh_database, post
):
    async with a_world(servers, fresh_database, **mailing(post, sign_up="open")) as world:
        for _ in range(2):
            await asked(world, "eve@example.org")
        found = [links(world, mail)[0] for mail in await mails(post, 2)]
        assert await fetch(fresh_database, "SELECT 1 FROM accounts.account") == []
        first, second = [(await sign_in(world, code)).json() for code in found]
        assert first["role"] == "owner"
        assert first["account"] == second["account"]


async def test_a_log_in_at_the_mail_server_is_used(servers, fresh_database):
    login = {"smtp_username": "errand", "smtp_password": "s3cret"}
    async with (
        mail_server(login=("errand", "s3cret")) as post,
        a_world(servers, fresh_database, **mailing(post, **login)) as world,
    ):
        ada = await world.person("ada")
        await invited(ada, email="bea@example.org")
        await asked(world, "bea@example.org")
        await mails(post, 1)


NO_ADDRESSES = ["", "x", "a@b", "@b.c", "a@b.c\r\nBcc: d@e.f", "a b@c.d", "a@b@c.d", "é@b.c"]


async def test_what_is_no_address_is_told(world):
    nobody = await world.client()
    for email in NO_ADDRESSES:
        answer = await nobody.post("/v1/magic-links", json={"email": email})
        is_problem(answer, 422, "email_refused")


async def test_an_installation_without_mail_says_so(servers, fresh_database):
    async with a_world(servers, fresh_database) as world:
        nobody = await world.client()
        answer = await nobody.post("/v1/magic-links", json={"email": "a@b.cd"})
        assert "SMTP_HOST" in is_problem(answer, 409, "mail_off")["detail"]
