"""The script of the page `/pair`, run outside a browser with what it needs beside it."""

import asyncio
import json
import re
import shutil
from typing import Any

import pytest

from tests.kit.paths import ROOT

PAGE = ROOT / "services" / "gateway" / "http" / "pages" / "pair.html"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")

# A document of which everything may be asked, a store, a network that knows `/v1/about`.
BROWSER = """
const made = {};
const element = () => new Proxy({ hidden: false, children: [] }, {
  get: (t, k) => k in t ? t[k] : k === Symbol.toPrimitive ? () => "" : () => element(),
});
const listeners = {};
globalThis.window = globalThis;
const kept = { "errand.session": given.kept };
globalThis.document = { getElementById: (id) => made[id] ??= element(), createElement: element };
globalThis.localStorage = {
  getItem(key) { if (given.isBlocked) throw new Error("SecurityError"); return kept[key] ?? null; },
  setItem(key, value) { kept[key] = value; },
  removeItem(key) { if (given.isBlocked) throw new Error("SecurityError"); delete kept[key]; },
};
globalThis.location = { hash: given.hash, origin: "http://h", pathname: "/pair", search: "" };
globalThis.history = { replaceState() {} };
Object.defineProperty(globalThis, "navigator", { value: { onLine: true, platform: "test" } });
globalThis.addEventListener = (name, listener) => { listeners[name] = listener; };
globalThis.setInterval = globalThis.setTimeout = () => 0;
globalThis.WebSocket = class { close() {} send() {} };
const answer = { sign_in_methods: ["mail"], data: [], next: null };
const text = async () => JSON.stringify(answer);
globalThis.fetch = async () => ({ ok: true, status: 200, text });
"""
REPORT = """
setImmediate(() => setImmediate(() => {
  for (const name of given.events) listeners[name]();
  console.log(JSON.stringify({
    kept: kept["errand.session"] ?? null, said: made.word.textContent, pairHidden: made.pair.hidden,
  }));
}));
"""


async def opened(
    kept: str | None, *, events: tuple[str, ...] = (), is_blocked: bool = False, hash_: str = ""
) -> dict[str, Any]:
    """Run the page's script in a browser that has kept this; tell what is to be seen then."""
    script = re.search(r"<script>\n(.*)</script>", PAGE.read_text(), re.DOTALL)
    assert script is not None
    given = {"kept": kept, "events": events, "isBlocked": is_blocked, "hash": hash_}
    program = f"const given = {json.dumps(given)};{BROWSER}{script[1]}{REPORT}"
    child = await asyncio.create_subprocess_exec(
        "node", "-", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await child.communicate(program.encode())
    assert child.returncode == 0, errors.decode()
    found: dict[str, Any] = json.loads(output)
    return found


@pytest.mark.parametrize("kept", ["{", "7", "[]", '"x"', '{"token":3}', "{}", "\x00"])
async def test_a_damaged_session_is_a_fresh_start(kept: str) -> None:
    seen = await opened(kept)

    assert seen["kept"] is None
    assert seen["pairHidden"] is False


async def test_a_browser_that_keeps_nothing_can_sign_in_too() -> None:
    assert (await opened(None, is_blocked=True))["pairHidden"] is False


SESSION = {"token": "t", "refresh_token": "r", "expires_at": "2999-01-01T00:00:00Z", "session": "s"}


async def test_a_sound_session_is_kept() -> None:
    assert (await opened(json.dumps(SESSION)))["kept"] == json.dumps(SESSION)


async def test_a_phone_without_a_network_says_so() -> None:
    kept, task = json.dumps(SESSION), "#task_" + "a" * 26
    before = await opened(kept, hash_=task)
    away = await opened(kept, events=("offline",), hash_=task)
    back = await opened(kept, events=("offline", "online"), hash_=task)

    assert [seen["said"].partition(" ")[0] for seen in (before, away, back)] == [
        "Connecting",
        "You",
        "Connecting",
    ]
