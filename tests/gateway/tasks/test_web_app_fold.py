"""The web app's fold against what the gateway answers, over HTTP, at every version."""

import json

from msgspec.structs import replace

from events import TaskErased, TaskSubmitted
from tests.kit.web_app.folds import fold_in_node, golden_facts, stored
from tests.kit.web_app.node import require_node


async def test_the_web_app_shows_what_the_gateway_answers_at_every_version(ada, world):
    require_node()
    task = await ada.submit("Fix the tests")
    facts = [each for each in golden_facts() if not isinstance(each, TaskErased | TaskSubmitted)]
    await world.append(ada.history(task), *facts)

    page = (await ada.http.get(f"/v1/tasks/{task}/events", params={"limit": 500})).json()
    account = (await ada.http.get("/v1/me")).json()["account"]
    history = stored(json.dumps(event).encode() for event in page["data"])
    (folded,) = fold_in_node([replace(recorded, account=account) for recorded in history])

    assert page["head"] == len(folded) == len(facts) + 1
    for version, state in enumerate(folded, 1):
        answer = await ada.http.get(f"/v1/tasks/{task}/state", params={"at": str(version)})
        assert state == answer.json()["state"], f"at version {version}"
