"""The first load of the web app: the page, its script and its styles, compressed."""

import gzip
import re
from pathlib import Path
from typing import Final

import pytest

from tests.kit.browser.chromium import BUILT

MAX_BYTES: Final = 60_000
_NEEDED: Final = re.compile(r'<(?:script|link)[^>]*(?:src|href)="(/assets/[^"]+\.(?:js|css))"')
_IMPORTED: Final = re.compile(r"""(?:\bfrom|\bimport)\s*["'](\./[^"']+\.js)["']""")


def eager(page: Path) -> list[Path]:
    """Return the page and all that it loads by itself: what its scripts import, too."""
    found = [page]
    waiting = [page.parent / name.lstrip("/") for name in _NEEDED.findall(page.read_text())]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.append(path)
        if path.suffix == ".js":
            waiting += [path.parent / name for name in _IMPORTED.findall(path.read_text())]
    return found


def test_the_first_load_is_at_most_60_kilobytes(capsys: pytest.CaptureFixture[str]) -> None:
    if not BUILT.exists():
        pytest.skip("the web app is not built; build it with: make web")
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in eager(BUILT)}
    whole = sum(sizes.values())
    with capsys.disabled():
        print(f"\nfirst load: {whole:,} bytes compressed, of {MAX_BYTES:,}: {sizes}")
    assert {path.rsplit(".")[-1] for path in sizes} == {"html", "js", "css"}
    assert whole <= MAX_BYTES
