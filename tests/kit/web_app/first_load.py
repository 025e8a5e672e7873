"""The files of the built web app that a browser loads before anything is shown."""

import gzip
import re
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 60_000
_NEEDED: Final = re.compile(r'<(?:script|link)[^>]*(?:src|href)="(/assets/[^"]+\.(?:js|css))"')
_IMPORTED: Final = re.compile(r"""(?:\bfrom|\bimport)\s*["'](\./[^"']+\.js)["']""")


def first_load(page: Path) -> dict[str, int]:
    """Return the compressed size of the page and of all that it loads by itself, by name.

    What its scripts import counts too.
    """
    return {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in _eager(page)}


def _eager(page: Path) -> list[Path]:
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
