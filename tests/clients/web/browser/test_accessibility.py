"""Every screen for everybody: no violation in either scheme, and large text loses nothing."""

from typing import Any, Final

import pytest
from playwright.async_api import Browser

from tests.clients.web.browser.screens import Shown, screens
from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import SMALL, AppPage, Scheme, app_page
from tests.kit.paths import ROOT

AXE: Final = ROOT / "clients" / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LARGE_TEXT: Final = "document.documentElement.style.fontSize = '200%'"
PARTS: Final = "main, footer, header, dialog[open], button, h1, h2, p, label, a"
CUT: Final = """(parts) => {
  const wide = document.documentElement;
  const found = [];
  const note = (each, what) =>
    found.push(`${each.tagName} ${each.className} ${what}: ${each.textContent.slice(0, 40)}`);
  if (wide.scrollWidth > wide.clientWidth + 1) note(wide, "scrolls to the side");
  for (const each of document.querySelectorAll(parts)) {
    const { overflowX, textOverflow, display } = getComputedStyle(each);
    const isMeant = ["auto", "scroll"].includes(overflowX) || textOverflow === "ellipsis";
    const box = each.getBoundingClientRect();
    if (box.width === 0 || isMeant || each.closest(".unseen, .diff, svg, .tabs")) continue;
    if (each.scrollWidth > each.clientWidth + 1 && display !== "inline") note(each, "is cut");
    if (box.right > innerWidth + 1 && !each.closest("pre, .diff, .chips, .segments"))
      note(each, "leaves the screen");
  }
  return found;
}"""
SMALL_TARGETS: Final = """() => {
  const all = document.querySelectorAll("button, a.button, .tabs a, input, select");
  const isHigh = (each) => each !== null && each.getBoundingClientRect().height >= 43.5;
  const isMeant = (each) => each.matches(".text-link, .diff-number") || each.closest("p") !== null;
  return [...all]
    .filter((each) => each.getBoundingClientRect().width > 0 && each.checkVisibility())
    .filter((each) => !isHigh(each) && !isHigh(each.closest("label")) && !isMeant(each))
    .map((each) => `${each.className}: ${each.ariaLabel ?? each.textContent}`);
}"""


async def violations(app: AppPage) -> list[str]:
    """Return what axe finds on the screen."""
    await app.page.evaluate(AXE.read_text())
    found: dict[str, Any] = await app.page.evaluate(
        "(tags) => axe.run(document, { runOnly: tags, resultTypes: ['violations'] })", RULES
    )
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def show(app: AppPage, shown: Shown) -> None:
    await app.open(shown.path)
    await app.see(shown.sign)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_screen(
    chromium: Browser, stage: Stage, scheme: Scheme
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed; install it with: make web")
    found: dict[str, list[str]] = {}
    async with app_page(chromium, stage.url, scheme=scheme) as app:
        await app.open("/")
        await app.see("Sign in")
        found["sign-in"] = await violations(app)
        await app.sign_in(await stage.pair())
        for shown in await screens(stage):
            await show(app, shown)
            found[shown.name] = await violations(app)
    assert {name: all_ for name, all_ in found.items() if all_} == {}


async def test_nothing_is_cut_or_too_small_with_text_twice_as_large(
    chromium: Browser, stage: Stage
) -> None:
    found: dict[str, list[str]] = {}
    async with app_page(chromium, stage.url, size=SMALL) as app:
        await app.sign_in(await stage.pair())
        all_ = await screens(stage)
        for shown in all_:
            await show(app, shown)
            found[f"{shown.name}: targets"] = await app.page.evaluate(SMALL_TARGETS)
            await app.page.evaluate(LARGE_TEXT)
            found[f"{shown.name}: large"] = await app.page.evaluate(CUT, PARTS)
    assert {name: all_ for name, all_ in found.items() if all_} == {}
