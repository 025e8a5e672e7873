"""People who are invited to an account, and who join it."""

from tests.kit.run.gateway import Person


async def invited(owner, name="bea", **more):
    answer = await owner.http.post("/v1/members", json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def joined(world, owner, name="bea", **more):
    offer = await invited(owner, name, **more)
    nobody = await world.client()
    session = (await nobody.post("/v1/sessions", json={"code": offer["code"]})).json()
    assert session["person"] == offer["person"]
    return Person(world, await world.client(session["token"]), session)
