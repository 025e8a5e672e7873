"""Images of prompts and instructions, as the model receives them."""

from base64 import b64encode
from hashlib import sha256

import pytest
from msgspec.structs import replace

from events import Attachment, InstructionEdited, TaskFailed, TaskInstructed
from services.worker.effects.images import Images
from tests.kit.build.images import gif, png
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.worker_world import Bench, called, said
from tests.kit.run.driven_workers import driven

PNG, GIF = png(), gif()
WRITE = ("w", "write", {"path": "x", "content": "new"})


async def attached(bench, name, content, media_type):
    blob = await bench.blobs.put(f"attachments/{name}", content)
    return Attachment(
        id=name,
        media_type=media_type,
        size_bytes=len(content),
        sha256=sha256(content).hexdigest(),
        key=blob.key,
    )


def image(content, media_type):
    encoded = b64encode(content).decode()
    source = {"type": "base64", "media_type": media_type, "data": encoded}
    return {"type": "image", "source": source}


async def test_images_come_before_the_words_they_were_sent_with():
    bench = Bench(called(WRITE), said("Done."))
    screen = await attached(bench, "att_1", PNG, "image/png")
    drawing = await attached(bench, "att_2", GIF, "image/gif")
    await bench.append(
        replace(SUBMITTED, attachments=(screen,)),
        TaskInstructed(text="like this", attachments=(drawing,)),
        InstructionEdited(instruction=2, text="rather like this"),
    )

    await driven(bench)

    first, second = (each.messages for each in bench.model.model_requests)
    assert first[0]["content"] == [
        image(PNG, "image/png"),
        {"type": "text", "text": SUBMITTED.prompt},
        image(GIF, "image/gif"),
        {"type": "text", "text": "rather like this"},
    ]
    assert second[0] == first[0], "what was sent is sent again as it was"


async def test_another_attempt_sends_the_same_images_again():
    bench = Bench(said("Done."), said("More done."))
    screen = await attached(bench, "att_1", PNG, "image/png")
    await bench.append(replace(SUBMITTED, attachments=(screen,)))
    await driven(bench)
    await bench.append(TaskInstructed(text="more"))
    await driven(bench, 2)

    first, second = (each.messages for each in bench.model.model_requests)
    assert second[0] == first[0]


async def test_an_image_is_fetched_once():
    bench = Bench(called(WRITE), said("Done."))
    screen = await attached(bench, "att_1", PNG, "image/png")
    await bench.append(replace(SUBMITTED, attachments=(screen,)))
    fetched = []
    get = bench.blobs.get

    async def counted(key):
        fetched.append(key)
        return await get(key)

    bench.blobs.get = counted
    await driven(bench)

    assert len(bench.model.model_requests) == 2
    assert fetched == [screen.key]


@pytest.mark.parametrize("stored", [None, b"something else"])
async def test_an_image_that_is_gone_or_changed_is_a_line_that_says_so(stored):
    bench = Bench(said("Done."))
    screen = await attached(bench, "att_1", PNG, "image/png")
    if stored is None:
        del bench.blobs.stored[screen.key]
    else:
        bench.blobs.stored[screen.key] = stored
    await bench.append(replace(SUBMITTED, attachments=(screen,)))
    await driven(bench)

    [asked] = bench.model.model_requests
    assert asked.messages[0]["content"][0] == {
        "type": "text",
        "text": "[An image was attached here. It cannot be read.]",
    }
    assert not bench.facts(TaskFailed)


async def test_messages_without_images_stay_as_they_are():
    messages = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    assert await Images(Bench().blobs).fill(messages) == messages
