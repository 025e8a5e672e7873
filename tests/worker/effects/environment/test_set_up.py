"""Leftovers of a set-up in a real sandbox: kept out of the work, packed, and put back elsewhere."""

import secrets
from pathlib import Path

import pytest

from services.worker.effects.environment.packing import (
    PackingFailed,
    clear_added,
    pack_added,
    unpack,
)
from tests.kit.repository.task_workspace import KIND, Place, publish
from tests.kit.repository.workspace_fixtures import (  # noqa: F401 - fixtures
    blobs,
    place,
    scratch,
    source,
)
from tests.kit.servers.sandboxes import running_sandbox

SET_UP = r"""
mkdir -p node_modules/left-pad 'made [by] set-up' ~/.cache/pip ~/.local/bin
echo module > node_modules/left-pad/index.js
ln -s left-pad node_modules/pad
echo generated > 'made [by] set-up/a*.txt'
echo alone > alone.cfg
echo wheel > ~/.cache/pip/wheel
printf '#!/bin/sh\necho tool\n' > ~/.local/bin/tool; chmod 755 ~/.local/bin/tool
mkdir ~/locked; echo x > ~/locked/x; chmod 555 ~/locked
"""


async def set_up(place: Place, source: Path, script: str = "") -> None:  # noqa: F811
    (source / "app.py").write_text("print()\n")
    (source / "lock").write_text("1\n")
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash(SET_UP + script)


async def test_what_set_up_adds_and_changes_is_not_the_agents_work(source, place):  # noqa: F811
    await set_up(place, source, "echo 2 >> lock; rm app.py; echo 'a\\nb' > 'odd name '")
    assert set(await place.workspace.finish_set_up()) == {"lock", "app.py"}
    assert await place.workspace.snapshot() is None
    assert await place.bash("cat lock; cat alone.cfg; ls; git status --porcelain") == (
        "1\nalone\nREADME.md\nalone.cfg\napp.py\nlock\nmade [by] set-up\nnode_modules\nodd name \n"
    )


async def test_what_the_agent_does_after_set_up_is_its_work(source, place):  # noqa: F811
    await set_up(place, source, "echo 2 >> lock")
    await place.workspace.finish_set_up()
    await place.bash("echo 3 >> lock; echo new > new.txt; echo x > node_modules/x")
    await place.sandbox.write("made [by] set-up/a*.txt", b"written by the agent\n")
    snapshot = await place.taken()
    diff = await place.workspace.diff()
    assert snapshot.files == 3
    assert all(text in diff for text in ("+3\n", "b/new.txt", "+written by the agent\n"))
    assert not snapshot.left_out  # what set-up added is nobody's news


async def test_a_snapshot_goes_on_from_set_up_when_the_inner_repository_was_broken(source, place):  # noqa: F811
    await set_up(place, source)
    await place.workspace.finish_set_up()
    await place.bash("rm -rf ~/.errand/tree.git; echo 3 >> lock")
    assert (await place.taken()).files == 1


async def test_a_pack_puts_back_in_another_sandbox_what_set_up_added(source, place, scratch):  # noqa: F811
    await set_up(place, source)
    await place.workspace.finish_set_up()
    pack, again = scratch / "pack", scratch / "again"
    await pack_added(place.sandbox, (), pack)
    await pack_added(place.sandbox, (), again)
    assert pack.read_bytes() == again.read_bytes()
    async with running_sandbox(KIND, task=f"task_{secrets.token_hex(6)}") as other:
        second = Place(other, place.blobs, place.url, scratch)
        await second.workspace.prepare(base="")
        await unpack(other, pack)
        assert not await second.workspace.finish_set_up()
        shown = "cat node_modules/pad/index.js 'made [by] set-up/a*.txt'; ~/.local/bin/tool; "
        assert await second.bash(shown + "ls -A ~ ~/.cache; stat -c %a ~/locked") == (
            "module\ngenerated\ntool\n"
            "/home/agent:\n.cache\n.errand\n.local\nlocked\n\n/home/agent/.cache:\n555\n"
        )
        assert await second.workspace.snapshot() is None


async def test_a_pack_holds_the_paths_that_are_named_and_no_file_of_the_repository(
    source,  # noqa: F811
    place,  # noqa: F811
    scratch,  # noqa: F811
):
    await set_up(place, source)
    pack = scratch / "pack"
    paths = ("node_modules", "~/.local", "app.py", "missing", "~/missing")
    await pack_added(place.sandbox, paths, pack)
    await clear_added(place.sandbox)
    assert await place.bash("ls; ls -A ~") == "README.md\napp.py\nlock\n.errand\n"
    await unpack(place.sandbox, pack)
    assert await place.bash("ls; ls -A ~") == (
        "README.md\napp.py\nlock\nnode_modules\n.errand\n.local\n"
    )


@pytest.mark.parametrize("damage", [b"", b"no pack at all", None])
async def test_a_damaged_pack_is_refused(source, place, scratch, damage):  # noqa: F811
    await set_up(place, source, "head -c 200000 /dev/urandom > node_modules/noise")
    pack = scratch / "pack"
    await pack_added(place.sandbox, (), pack)
    content = pack.read_bytes()
    pack.write_bytes(content[: len(content) // 2] if damage is None else damage)
    with pytest.raises(PackingFailed):
        await unpack(place.sandbox, pack)
