"""The simulator refuses images as the API does."""

from base64 import b64encode

import pytest

from infra.simulators.anthropic.api.errors import Refused
from infra.simulators.anthropic.api.images import MANY_IMAGES, check_images
from infra.simulators.anthropic.api.request import Image, Prompt, Text, ToolResult, UserMessage
from tests.kit.build.images import gif, jpeg, png, webp


def encoded(content=None):
    return b64encode(png() if content is None else content).decode()


def base64(content=None, media_type="image/png", **more):
    return {"type": "base64", "media_type": media_type, "data": encoded(content), **more}


def check(*sources):
    blocks = [Image(source) for source in sources]
    check_images(Prompt(model="m", messages=[UserMessage([*blocks, Text("x")])]))


def test_every_kind_of_image_is_taken():
    check(
        base64(),
        base64(jpeg(), "image/jpeg"),
        base64(gif(8000, 8000), "image/gif"),
        base64(webp(), "image/webp"),
        {"type": "url", "url": "https://x/y.png"},
        {"type": "file", "file_id": "file_1"},
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({}, "Input tag"),
        ({"type": "attached"}, "Input tag"),
        ({"type": "base64", "data": encoded()}, "base64.media_type: Field required"),
        (base64(key="x"), "base64.key: Extra inputs are not permitted"),
        (base64(media_type="image/svg+xml"), "base64.media_type: Input should be"),
        (base64(media_type="image/jpeg"), "does not match the provided media type"),
        ({**base64(), "data": "not base64!"}, "invalid base64 data"),
        ({**base64(), "data": ""}, "valid string"),
        (base64(b"no image"), "Could not process image"),
        (base64(gif(8001, 1), "image/gif"), "8000 pixels"),
        (base64(png() + bytes(3_932_160)), "image exceeds 5 MB maximum: 52"),
    ],
)
def test_what_the_api_would_not_take_is_refused_where_it_stands(source, says):
    with pytest.raises(Refused, match=r"messages\.0\.content\.0\.image\.source") as refused:
        check(source)
    assert says in str(refused.value)


def test_of_many_images_none_may_be_large():
    large = base64(gif(2001, 1), "image/gif")
    check(*[large] * MANY_IMAGES)
    with pytest.raises(Refused, match="2000 pixels"):
        check(*[large] * (MANY_IMAGES + 1))


def test_images_in_the_result_of_a_tool_are_checked_too():
    result = ToolResult(tool_use_id="t", content=[Image({"type": "base64"})])
    with pytest.raises(Refused, match=r"tool_result\.content\.0\.image"):
        check_images(Prompt(model="m", messages=[UserMessage([result])]))
