"""Services that start before their servers: they wait, say for what, and then they serve."""

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import httpx

from infra.local import ports
from tests.kit.faults.late_nats import late_nats
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually
from tests.kit.run.service_processes import (
    Service,
    a_task_is_taken_up_and_listed,
    seen,
    service,
    settings_of_services,
    sign_in,
)
from tests.kit.servers.stack import RealServers

DATABASE_AWAY = "The database does not answer at the moment."
PORTS = ("gateway", "broker", "scheduler", "projector")


class Waiting:
    """The services, and what each shows of itself."""

    def __init__(
        self, http: httpx.AsyncClient, running: dict[str, Service], chosen: dict[str, int]
    ) -> None:
        self.http = http
        self._running = running
        self._chosen = chosen

    async def parts(self) -> dict[str, str]:
        """Return the parts of the gateway's readiness; none while the gateway does not listen."""
        answer = await seen(self.http, "/health/ready")
        return (
            {} if answer is None else {"status": str(answer.status_code)} | answer.json()["parts"]
        )

    async def log_available(self, name: str) -> str:
        answer = await seen(self.http, f"http://127.0.0.1:{self._chosen[name]}/metrics")
        lines = answer.text.splitlines() if answer is not None else []
        return next((x for x in lines if x.startswith("errand_log_available")), "").split(" ")[-1]

    async def readiness(self, name: str) -> dict[str, str]:
        """Return the readiness of a service that has no HTTP server of its own."""
        answer = await seen(self.http, f"http://127.0.0.1:{self._chosen[name]}/health/ready")
        return (
            {} if answer is None else {"status": str(answer.status_code)} | answer.json()["parts"]
        )

    async def all_say(self, *events: str, of: tuple[str, ...] = PORTS) -> None:
        for name in of:
            await eventually(partial(self._running[name].logs, *events))
        assert all(each.is_running for each in self._running.values())


async def it_listens_and_refuses(http: httpx.AsyncClient, path: str) -> None:
    refused = await http.post(path)
    assert (refused.status_code, refused.json()["code"]) == (503, "gateway_starting")
    assert "postgres" in refused.json()["detail"]


async def test_services_that_start_before_their_servers_wait_for_them_and_then_serve(
    servers: RealServers, fresh_database: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as resources:
        nats = await resources.enter_async_context(late_nats(tmp_path / "nats"))
        postgres = await resources.enter_async_context(halted(servers, "postgres"))
        chosen = resources.enter_context(ports.chosen(PORTS, {}))
        running = {
            name: await resources.enter_async_context(service(name, tmp_path, told))
            for name, told in settings_of_services(
                servers, fresh_database, chosen, **nats.settings
            ).items()
        }
        url = f"http://127.0.0.1:{chosen['gateway']}"
        http = await resources.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
        waiting = Waiting(http, running, chosen)

        parts = await eventually(waiting.parts)
        assert (parts["status"], "ok" in parts.values()) == ("503", False)
        assert {"nats", "postgres"} < parts.keys()
        await waiting.all_say("nats.error")
        await waiting.all_say("postgres.waiting", of=("gateway", "broker"))
        broker = f"http://127.0.0.1:{chosen['broker']}"
        await it_listens_and_refuses(http, "/v1/pairings")
        await it_listens_and_refuses(http, f"{broker}/broker/claim")
        assert (await http.get("/health/live")).status_code == 200
        for name in ("scheduler", "projector"):
            assert await eventually(partial(waiting.log_available, name)) == "0.0"
            assert (await waiting.readiness(name))["status"] == "503"

        await nats.start()
        await waiting.all_say("log.waiting")
        assert "infra.log.jetstream" in (await waiting.parts())["nats"]

        await nats.make_streams()
        parts = await eventually(waiting.parts, until=lambda parts: parts["nats"] == "ok")
        assert (parts["status"], parts["postgres"]) == ("503", DATABASE_AWAY)
        await waiting.all_say("projector.waiting", of=("projector",))
        for name in ("scheduler", "projector"):
            await eventually(partial(waiting.log_available, name), until=lambda seen: seen == "1.0")

        assert await waiting.readiness("scheduler") == {"status": "200", "nats": "ok"}
        assert await waiting.readiness("projector") == {
            "status": "503",
            "nats": "ok",
            "postgres": "unavailable",
        }

        await postgres()
        await eventually(waiting.parts, until=lambda parts: parts["status"] == "200")
        await eventually(
            partial(waiting.readiness, "projector"), until=lambda parts: parts["status"] == "200"
        )
        await eventually(
            partial(seen, http, f"{broker}/health/ready"),
            until=lambda answer: answer.status_code == 200,
        )
        await sign_in(http)
        await a_task_is_taken_up_and_listed(http)
        assert all(each.is_running for each in running.values())
