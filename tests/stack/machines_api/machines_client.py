"""Client of the local Machines API, for one app."""

from tests.kit.servers.machines_api import SLEEP


class MachinesClient:
    def __init__(self, http, base):
        self.http = http
        self.base = base

    async def create(self, behave=SLEEP, *, name="", **config):
        config = {
            "image": "worker",
            "env": {"BEHAVE": behave},
            "restart": {"policy": "no"},
        } | config
        return await self.http.post(self.base, json={"name": name, "config": config})

    async def started(self, behave=SLEEP, **more):
        machine = (await self.create(behave, **more)).json()
        await self.wait(machine, "started")
        return machine

    async def get(self, machine):
        return (await self.http.get(f"{self.base}/{machine['id']}")).json()

    async def wait(self, machine, state, **more):
        params = {"state": state, "timeout": 10, "instance_id": machine["instance_id"]} | more
        return await self.http.get(f"{self.base}/{machine['id']}/wait", params=params, timeout=70)

    async def post(self, machine, part, body=None):
        return await self.http.post(f"{self.base}/{machine['id']}/{part}", json=body)

    async def destroy(self, machine, **params):
        return await self.http.delete(f"{self.base}/{machine['id']}", params=params)

    async def list(self, **params):
        return [m["id"] for m in (await self.http.get(self.base, params=params)).json()]
