"""Routes of a GitHub App: its installations, and tokens for them."""

import msgspec

from infra.simulators.github.http.messages import Refusal, Reply, json_reply, not_found
from infra.simulators.github.oauth.installations import TokenRequest
from infra.simulators.github.rest.routing import Call, Route, route
from infra.simulators.github.rest.shapes import moment

_INSTALLATION = 1


async def _installation(call: Call) -> Reply:
    call.require_app()
    repository = call.forge.repositories.find(call.parts["owner"], call.parts["name"])
    shape = {
        "id": _INSTALLATION,
        "account": call.shapes.user(repository.owner),
        "repository_selection": "all",
        "access_tokens_url": f"{call.shapes.api}/app/installations/{_INSTALLATION}/access_tokens",
        "target_type": "User",
        "suspended_at": None,
    }
    return json_reply(200, shape)


async def _access_token(call: Call) -> Reply:
    installations = call.require_app()
    if call.parts["id"] != str(_INSTALLATION):
        raise not_found()
    try:
        request = msgspec.json.decode(await call.request.body() or b"{}", type=TokenRequest)
    except msgspec.ValidationError as error:
        raise Refusal(422, f"Invalid request.\n\n{error}") from None
    except msgspec.DecodeError:
        raise Refusal(400, "Problems parsing JSON") from None
    token, grant = installations.grant(request, known=call.forge.repositories.names())
    shape: dict[str, object] = {
        "token": token,
        "expires_at": moment(grant.expires_at),
        "permissions": grant.permissions,
        "repository_selection": "all" if grant.repositories is None else "selected",
    }
    if grant.repositories is not None:
        shape["repositories"] = [{"name": name} for name in sorted(grant.repositories)]
    return json_reply(201, shape)


APP_ROUTES: tuple[Route, ...] = (
    route("GET", "/repos/{owner}/{name}/installation", _installation),
    route("POST", "/app/installations/{id}/access_tokens", _access_token),
)
