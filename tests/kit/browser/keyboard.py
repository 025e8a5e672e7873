"""A keyboard and nothing else: keys on the app's page, and whether the focus can be seen."""

import re
from typing import Any, Final

from playwright.async_api import expect

from tests.kit.browser.app_page import AppPage

Name = str | re.Pattern[str]
MAX_STEPS: Final = 90
FOCUSED: Final = """() => {
  const at = document.activeElement;
  if (at === null || at === document.body) return { name: "", isVisible: true };
  const labelled = at.getAttribute("aria-labelledby");
  const label = labelled ? document.getElementById(labelled) : (at.labels?.[0] ?? at);
  const name = (at.ariaLabel || label.textContent || at.placeholder || "").trim();
  const box = at.getBoundingClientRect();
  const isThere = box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight;
  const isMarked = (each) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(each);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  };
  const around = [at, at.closest("label"), ...(at.labels ?? [])].filter((each) => each !== null);
  return { name, isVisible: isThere && around.some(isMarked), what: at.outerHTML.slice(0, 160) };
}"""


class Keyboard:
    """The keys of a person who has nothing else; where the focus could not be seen is collected."""

    def __init__(self, app: AppPage) -> None:
        self.app = app
        self.unseen: set[str] = set()

    async def focused(self) -> str:
        """Return the name of what has the focus; empty for nothing."""
        found: dict[str, Any] = await self.app.page.evaluate(FOCUSED)
        if not found["isVisible"]:
            self.unseen.add(found["what"])
        return str(found["name"])

    async def go_to(self, wanted: Name) -> None:
        """Press Tab until what has this name has the focus."""
        passed: list[str] = []
        for _ in range(MAX_STEPS):
            await self.app.page.keyboard.press("Tab")
            passed.append(await self.focused())
            if is_named(passed[-1], wanted):
                return
        raise AssertionError(f"no way to {wanted}: {passed}")

    async def press(self, wanted: Name) -> None:
        """Go to what has this name, and press Enter."""
        await self.go_to(wanted)
        await self.app.page.keyboard.press("Enter")

    async def write(self, wanted: Name, text: str) -> None:
        """Go to the field with this label, and type."""
        await self.go_to(wanted)
        await self.app.page.keyboard.type(text)

    async def choose(self, group_member: Name, wanted: Name) -> None:
        """Go to a group of choices, and with the arrows to the one with this name."""
        await self.go_to(group_member)
        for _ in range(8):
            if is_named(await self.focused(), wanted):
                await self.app.page.keyboard.press("Space")
                return
            await self.app.page.keyboard.press("ArrowDown")
        raise AssertionError(f"no choice {wanted}")

    async def escape(self, title: Name) -> None:
        """Close the sheet with this title."""
        sheet = self.app.sheet(title)
        await expect(sheet).to_be_visible()
        await self.app.page.keyboard.press("Escape")
        await expect(sheet).to_have_count(0)

    async def is_back_at(self, wanted: Name) -> None:
        """The focus is where it was before the sheet."""
        assert is_named(await self.focused(), wanted)


def is_named(name: str, wanted: Name) -> bool:
    if isinstance(wanted, str):
        return name == wanted
    return wanted.search(name) is not None
