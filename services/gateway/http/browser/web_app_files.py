"""The built web app, read into memory: a request looks a name up and never touches the disk.

So no address leads out of the folder. The build writes compressed copies beside its text files
(`app.js.gz`, `app.js.br`); they are served in place of the file and have no address of their own.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

CODINGS: Final[Mapping[str, str]] = {"br": ".br", "gzip": ".gz"}
"""Content codings, the smallest first, and the endings of the files that have them."""

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""Kinds of files that are served; others, source maps among them, are not."""

INDEX: Final = "/index.html"


class WebAppFile(NamedTuple):
    """One file: its media type, its tag, and its content by coding ("" is as it is)."""

    media_type: str
    tag: str
    content: Mapping[str, bytes]


Build = Mapping[str, WebAppFile]
"""The files of one build by their addresses."""

NOT_BUILT: Final[Build] = MappingProxyType({})


def read_build(folder: Path) -> Build:
    """Read the files of a build by their addresses; none without its first page."""
    try:
        found = {"/" + path.relative_to(folder).as_posix(): path for path in _files(folder)}
        build = {address: _read(path) for address, path in found.items()}
    except FileNotFoundError:  # a build is being written at this moment: it is read again
        return NOT_BUILT
    return build if INDEX in build else NOT_BUILT


def build_stamp(folder: Path) -> tuple[int, ...]:
    """Return what changes whenever a build is written: empty while there is none."""
    try:
        seen = [place.stat() for place in (folder / INDEX[1:], folder)]
        seen += [place.stat() for place in (folder / "assets",) if place.is_dir()]
    except OSError:
        return ()
    return tuple(each.st_mtime_ns for each in seen)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix in MEDIA_TYPES and path.is_file() and not path.is_symlink():
            yield path


def _read(path: Path) -> WebAppFile:
    plain = path.read_bytes()
    content = {"": plain}
    for coding, ending in CODINGS.items():
        beside = path.with_name(path.name + ending)
        if beside.is_file() and not beside.is_symlink():
            content[coding] = beside.read_bytes()
    tag = f'W/"{sha256(plain).hexdigest()[:32]}"'
    return WebAppFile(MEDIA_TYPES[path.suffix], tag, content)
