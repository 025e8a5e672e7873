"""The pictures of the guide: each is shown somewhere, small, and said in words too."""

import re

from tests.kit.paths import ROOT

PICTURES = ROOT / "docs" / "guide" / "pictures"
MAX_PICTURE_BYTES = 150_000
MAX_BYTES = 1_000_000
PAGES = {page: page.read_text() for page in (ROOT / "README.md", ROOT / "docs/guide/phone.md")}


def test_every_picture_is_shown_and_every_picture_that_is_shown_is_there():
    shown = {
        (page.parent / name).resolve()
        for page, text in PAGES.items()
        for name in re.findall(r'src(?:set)?="([^"]+)"', text)
    }
    assert shown == set(PICTURES.iterdir())
    assert shown


def test_the_pictures_are_small():
    sizes = {picture.name: picture.stat().st_size for picture in PICTURES.iterdir()}
    assert {name: size for name, size in sizes.items() if size > MAX_PICTURE_BYTES} == {}
    assert sum(sizes.values()) < MAX_BYTES


def test_who_does_not_see_a_picture_reads_what_it_shows():
    images = [image for text in PAGES.values() for image in re.findall(r"<img[^>]*>", text)]
    assert images
    assert [image for image in images if not re.search(r'alt="[^"]{10,}"', image)] == []
