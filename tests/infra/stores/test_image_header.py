"""The kind and the size of an image, read from its first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.stores.image_header import IMAGE_TYPES, MAX_BASE64_BYTES, MAX_IMAGE_BYTES, read_header
from tests.kit.build.images import gif, jpeg, png, webp

SIDES = st.integers(1, 16_000)
HEADS = [
    ("image/png", png(640, 480)),
    ("image/gif", gif(640, 480)),
    ("image/jpeg", jpeg(640, 480)),
    ("image/webp", webp(640, 480)),
    ("image/webp", webp(640, 480, b"VP8L")),
    ("image/webp", webp(640, 480, b"VP8 ")),
]


@pytest.mark.parametrize(("media_type", "content"), HEADS)
def test_every_kind_is_known_by_its_first_bytes_and_says_its_size(media_type, content):
    assert read_header(content) == (media_type, 640, 480)
    assert media_type in IMAGE_TYPES


@given(width=SIDES, height=SIDES)
def test_the_size_is_read_whatever_it_is(width, height):
    made = (gif(width, height), jpeg(width, height), webp(width, height))
    made += (webp(width, height, b"VP8L"), webp(width, height, b"VP8 "))
    assert {read_header(content)[1:] for content in made} == {(width, height)}


@pytest.mark.parametrize(("media_type", "content"), HEADS)
def test_what_is_cut_off_before_its_size_is_no_image(media_type, content):
    del media_type
    shortest = next(n for n in range(len(content) + 1) if read_header(content[:n]))
    assert all(read_header(content[:length]) is None for length in range(shortest))


@given(st.sampled_from([content[:12] for _, content in HEADS] + [b""]), st.binary(max_size=200))
def test_no_bytes_make_it_raise(beginning, rest):
    header = read_header(beginning + rest)
    assert header is None or min(header.width, header.height) > 0


def test_a_page_is_no_image():
    assert read_header(b"<svg xmlns='http://www.w3.org/2000/svg'/>") is None


def test_the_largest_image_is_what_the_provider_takes_in_base64():
    assert -(-MAX_IMAGE_BYTES // 3) * 4 <= MAX_BASE64_BYTES
