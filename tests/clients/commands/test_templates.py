"""`errand templates` against a real gateway."""

import asyncio
import subprocess

from tests.clients.errand_process import command, environment
from tests.kit.run.gateway import a_world


async def test_templates_are_added_listed_and_removed(servers, fresh_database, tmp_path):
    async with a_world(servers, fresh_database) as world:
        ada = await world.person("ada")

        async def typed(*arguments):
            ended = await asyncio.to_thread(
                subprocess.run,
                command(tmp_path, "templates", *arguments),
                capture_output=True,
                text=True,
                timeout=60,
                cwd=tmp_path,
                env={**environment(ada.session["token"]), "ERRAND_URL": world.url},
                check=False,
            )
            assert "Traceback" not in ended.stderr, ended.stderr
            return ended

        assert "No templates" in (await typed()).stdout
        shown = (await typed("--task", "Tidy", "Tidy up", "--reply", "Go\non")).stdout.splitlines()
        assert [line.split("  ", 1)[1] for line in shown] == [
            *("Tidy", "Tidy up", "Quick reply", "Go on"),
        ]
        refused = await typed("--reply", " ")
        assert refused.returncode == 1
        assert "is empty" in refused.stderr
        left = await typed("--remove", shown[0].split()[0])
        assert left.stdout.splitlines() == shown[2:]
